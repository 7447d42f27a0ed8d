"""Views while files are added under them."""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from spine_assets.core.table_schema import polars_schema
from spine_assets.lake.local import LocalLake
from spine_assets.otc.tables import raw
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect

WEEK = date(2025, 10, 3)
_LINES, _READS = 5, 60
_PAUSE_SECONDS = 0.01
_MOST_CAPTURES = 100  # the more there are, the longer a read takes, in which more arrive


def add_capture(lake: LocalLake, number: int) -> None:
    """A capture of the one tier that counts more than those before it."""
    schema = polars_schema(raw.TABLE)
    told = {
        "capture_id": f"{number:06}",
        "week_ending": WEEK,
        "tier": "OTC",
        "venue_class": "ATS",
        "last_update_date": WEEK,
        "captured_at": datetime(2026, 1, 1) + timedelta(seconds=number),  # noqa: DTZ001 (stored so)
    }
    lines = pl.DataFrame({name: [told.get(name)] * _LINES for name in schema})
    frame = lines.select(pl.col(name).cast(type_) for name, type_ in schema.items())
    target = lake.folder(raw.TABLE.name, WEEK) / f"OTC.ATS.20260101T000000Z-{number:012}.parquet"
    lake.publish(lake.stage(frame, target, {}), target)


def test_a_capture_that_arrives_during_a_query_hides_none_of_the_current_rows(
    tmp_path: Path,
) -> None:
    lake, stop = LocalLake(tmp_path / "lake"), threading.Event()
    lake.declare(TABLES)
    add_capture(lake, 0)

    def deliver() -> None:
        for number in range(1, _MOST_CAPTURES):
            if stop.wait(_PAUSE_SECONDS):
                return
            add_capture(lake, number)

    writer = threading.Thread(target=deliver)
    writer.start()
    try:
        with connect(lake, TABLES) as people:
            query = "SELECT count(*), count(DISTINCT capture_id) FROM otc_raw_current"
            seen = {people.execute(query).fetchone() for _ in range(_READS)}
    finally:
        stop.set()
        writer.join()
    assert seen == {(_LINES, 1)}
    assert len(lake.files(raw.TABLE.name, WEEK)) > 1
