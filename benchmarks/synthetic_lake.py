"""A lake of full-size weeks in minutes: one week is built for real, the others are made from it.

    uv run python benchmarks/synthetic_lake.py --place PLACE --weeks 653

One week is delivered as synthetic files of 190,000 rows and built by the domain. Each week of the
history has its keys, other figures and other record hashes; the summaries are made by the tables'
builders and all files are written as the lake writes them. A week that is there is left as it is,
so that a broken off or shorter history is completed. `otc_raw` stays empty without `--raw`, and
`otc_rejects` always: such weeks are to be read, no run would accept them.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import polars_hash as plh
from rich.console import Console
from rich.progress import track

from spine_assets.core.settings import Settings
from spine_assets.core.weeks import FIRST_WEEK, weeks_between
from spine_assets.dev.sample import ROWS_PER_WEEK, write_sample
from spine_assets.lake.base import Lake
from spine_assets.lake.format import declare
from spine_assets.lake.local import LocalLake
from spine_assets.lake.opening import open_lake
from spine_assets.otc.build.builders import BUILDERS
from spine_assets.otc.build.week import build_week
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.model import CapturedFrames
from spine_assets.otc.delivery.scan import scan
from spine_assets.otc.state.build_context import RunContext
from spine_assets.otc.tables import raw, symbol_summary, venue_share, venue_volume
from spine_assets.otc.tables.registry import TABLES

HISTORY_WEEKS = 653  # 2014-05-16 to 2026-11-13
_BUILT = date(2025, 11, 21)  # published long ago, so that a build accepts its files
PROJECT = Path(__file__).parent.parent
_SPREAD = 0.25  # deviation of a figure from the built week's, as a logarithm
_NAMES = (venue_volume.TABLE.name, symbol_summary.TABLE.name, venue_share.TABLE.name)


def make(
    place: Path,
    weeks: int,
    rows: int = ROWS_PER_WEEK,
    *,
    non_ats: bool = False,
    with_raw: bool = False,
) -> Settings:
    """A data folder whose three computed tables have the newest `weeks` of the history."""
    settings = Settings(data_dir=place.absolute() / "data")
    lake = open_lake(settings.lake_place)
    declare(lake, TABLES, raw.TABLE.name)
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(PROJECT / name, place)
    last = FIRST_WEEK + timedelta(weeks=HISTORY_WEEKS - 1)
    wanted = weeks_between(last - timedelta(weeks=weeks - 1), last)
    missing = sorted(set(wanted) - set(lake.weeks(_NAMES[-1])))
    if missing:
        built = _built(place / "built", rows, non_ats)
        delivered = _captured(place / "built") if with_raw else []
        for week in track(missing, "weeks made", console=Console(stderr=True)):
            for captured in delivered:
                captures.commit(lake, _captured_like(captured, week))
            _write(lake, _like(built, week), week)
    return settings


def _built(place: Path, rows: int, non_ats: bool) -> pl.DataFrame:
    """`otc_venue_volume` of one week, delivered as files and built by the domain, once."""
    lake = LocalLake(place / "lake")
    target = lake.part(_NAMES[0], _BUILT)
    if not target.exists():
        write_sample(place / "landing", [_BUILT], rows_per_week=rows, include_non_ats=non_ats)
        landing = scan(place / "landing", place / "landing-index.json")
        work = RunContext(lake, landing, lambda: closing(duckdb.connect(":memory:")))
        result = build_week(_BUILT, [table.name for table in TABLES], work).finish()
        if result.error is not None:
            raise result.error
    return lake.read(target)


def _captured(place: Path) -> list[CapturedFrames]:
    """The captures of the built week."""
    lake = LocalLake(place / "lake")
    found = captures.stored(lake, _BUILT)
    return [
        CapturedFrames(item, captures.read_rows(lake, item), captures.read_rejects(lake, item), b"")
        for item in found
    ]


def _captured_like(captured: CapturedFrames, week: date) -> CapturedFrames:
    """The captures of another week, with other hashes."""
    text = f"{captured.capture.sha256}{week}"
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    capture = replace(
        captured.capture,
        week_ending=week,
        sha256=sha256,
        capture_id=f"20260101T000000Z-{sha256[:12]}",
    )
    rows = _like(captured.rows, week).with_columns(capture_id=pl.lit(capture.capture_id))
    return CapturedFrames(capture, rows, captured.rejects.clear(), b"")


def _like(built: pl.DataFrame, week: date) -> pl.DataFrame:
    """A built week's rows as another week's: same keys, other figures, hashes and dates."""
    random = np.random.default_rng(week.toordinal())
    factors = pl.Series(np.exp(random.normal(0, _SPREAD, built.height)))
    back = timedelta(days=(built["week_ending"][0] - week).days)
    shares = (pl.col("share_volume").cast(pl.Float64) * factors).ceil()
    made = built.with_columns(
        week_ending=pl.lit(week),
        share_volume=shares.cast(built["share_volume"].dtype),
        trade_count=(pl.col("trade_count") * factors).ceil().cast(pl.Int64),
        last_update_date=pl.col("last_update_date") - back,
        capture_id=pl.lit(f"20260101T000000Z-{week.toordinal():012x}"),
    )
    if "avg_trade_size" in made.columns:
        average = venue_volume.average_trade_size("share_volume", "trade_count")
        made = made.with_columns(avg_trade_size=average)
    return made.with_columns(
        record_hash=_hash(pl.concat_str("symbol", "mpid", "share_volume", "trade_count")),
    )


def _hash(text: pl.Expr) -> pl.Expr:
    """32 hex digits a row, as little compressible as a record's real hash."""
    hashing = plh.NonCryptographicHashingNameSpace(text)
    return hashing.xxh3_128(return_binary=True, byte_order="big").bin.encode("hex")


def _write(lake: Lake, venues: pl.DataFrame, week: date) -> None:
    """Write the three tables of a week; the last one is the mark that the week is whole."""
    inputs = (
        venues.select("tier", "venue_class")
        .unique()
        .with_columns(input_capture_id=pl.lit(venues["capture_id"][0]))
    )
    frames = {_NAMES[0]: venues} | {
        name: BUILDERS[name](venues, inputs, venues["capture_id"][0]) for name in _NAMES[1:]
    }
    for name, frame in frames.items():
        target = lake.part(name, week)
        lake.publish(lake.stage(frame, target, {}), target)


def main() -> None:
    """Make or complete a history."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--place", type=Path, required=True, help="folder of its own")
    parser.add_argument("--weeks", type=int, default=HISTORY_WEEKS)
    parser.add_argument("--raw", action="store_true", help="also otc_raw: 8 GB of 653 weeks")
    chosen = parser.parse_args()
    make(chosen.place, chosen.weeks, with_raw=chosen.raw)


if __name__ == "__main__":
    main()
