"""Files in the folders of weeks that nobody published, as sync programs and people leave them."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from spine_assets.core.settings import Settings
from spine_assets.core.weeks import Tier, publication_day
from spine_assets.lake.names import is_published
from spine_assets.maintenance import lake_inventory
from spine_assets.maintenance.doctor import lake as doctor
from spine_assets.maintenance.doctor.diagnosis import Health
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.state.stored_tables import GIVEN
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect
from spine_assets_tests.conftest import RAW, WEEK, House, delivered, line
from spine_assets_tests.support.databases import refreshed, rows_of

Rows = list[tuple[Any, ...]]
COPIES = (
    "{stem} (Anna's conflicted copy 2026-01-20).parquet",
    "{stem} (1).parquet",
    "{stem} - Copy.parquet",
    "Copy of {stem}.parquet",
    "{stem}.sync-conflict-20260120-101500-ABCDEFG.parquet",
    "{stem}.old.parquet",
    "old {stem}.parquet",
    "0.parquet",
)


@pytest.fixture
def house(house: House) -> House:
    """A week of two lines, one of them rejected."""
    house.drop(f"week_ending={WEEK}/a.csv", delivered(line(), line(symbol="")))
    house.built()
    house.lake.declare((*TABLES, *GIVEN))
    return house


def published(house: House) -> list[Path]:
    return [
        file
        for table in house.lake.entries()
        if not table.startswith("_")
        for file in house.lake.files(table, WEEK, "")
    ]


def copied(house: House) -> list[Path]:
    """Copies of each file of rows of the week, under names that programs and people give."""
    return [
        Path(shutil.copy(file, file.with_name(name.format(stem=file.stem))))
        for file in published(house)
        if file.suffix == ".parquet"
        for name in COPIES
    ]


def counts(house: House) -> dict[str, Rows]:
    """Rows of each table as people's SQL reads them."""
    with connect(house.lake, TABLES) as connection:
        return {
            table.name: connection.execute(f"SELECT count(*) FROM {table.name}").fetchall()
            for table in TABLES
        }


def of_database(house: House) -> Rows:
    path = house.root / "spine.duckdb"
    refreshed(path, house.lake)
    return rows_of(path, "SELECT count(*), sum(total_volume) FROM otc_venue_share")


def test_no_reader_takes_a_copy_of_a_published_file(house: House) -> None:
    before = counts(house), of_database(house), captures.names(house.lake)
    files, listed = published(house), lake_inventory.contents(house.lake)
    assert {count for ((count,),) in before[0].values()} >= {1}
    copies = copied(house)
    assert len(copies) > 30
    assert (counts(house), of_database(house), captures.names(house.lake)) == before
    assert (published(house), lake_inventory.contents(house.lake)) == (files, listed)


def test_a_copy_stops_no_week_and_is_never_deleted(house: House) -> None:
    copies, before = copied(house), counts(house)
    house.drop("more.csv", delivered(line(), line(symbol="BBB")))
    later = WEEK + timedelta(weeks=1)
    day = str(publication_day(later, Tier.OTC))
    house.drop(f"week_ending={later}/b.csv", delivered(line(updated=day)))
    for week in (WEEK, later):
        house.built(week=week, force=True)
    assert counts(house)[RAW] > before[RAW]
    house.lake.remove_week(WEEK)
    assert published(house) == []
    assert all(copy.exists() for copy in copies)


def test_doctor_names_the_copies(house: House) -> None:
    settings = Settings(data_dir=house.root)
    assert doctor.tables(settings).outcome is Health.OK
    copied(house)
    found = doctor.tables(settings)
    assert found.outcome is Health.WARN
    assert "are not published ones, and are not read" in found.found
    assert f"week_ending={WEEK}" in found.found


@pytest.mark.parametrize("name", ["", ".data.parquet.1.tmp", "data.parquet.tmp", "data.parquet~"])
def test_what_is_no_parquet_is_not_published(name: str) -> None:
    assert not is_published("otc_venue_share", name)


@pytest.mark.parametrize(
    "name",
    [
        "NMS_TIER_1 (copy).ATS.20260120T120000Z-0123456789ab.parquet",
        "NATS.20260120T120000Z-0123456789ab.parquet",
        "OTC.ATS.20260120T120000Z-0123456789ab-ats-venues (1).parquet",
        "OTC.ATS.20260120T120000Z-0123456789ab.parquet\n",
        "OTC.ATS.20260120T120000Z-0123456789ab-ats-others.parquet",
        "parse.OTC.ATS.20260120T120000Z-0123456789ab.parquet",
    ],
)
def test_what_is_almost_named_like_a_capture_is_none(name: str) -> None:
    assert not is_published(RAW, name)
    assert is_published(RAW, "OTC.NON_ATS.20260120T120000Z-0123456789ab-non_ats-venues.parquet")
