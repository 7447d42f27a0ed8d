"""The floor in bare DuckDB: the project's four tables, with no orchestration and no checks.

    uv run --group bench python benchmarks/floor_duckdb.py WEEKS.json LAKE --threads 2

As `floor_polars.py`, in SQL (`sql/duckdb/`). DuckDB's core has no xxh3-128: `record_hash` is an
md5, a hash of the same length, and so differs from the lake's.
"""

from __future__ import annotations

import argparse
import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import delivered
import duckdb

SQL = {path.stem: path.read_text() for path in Path(__file__).parent.glob("sql/duckdb/*.sql")}
# Level 1 as in floor_polars: a third less time than the default, files as small.
PARQUET = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
TIERS = {b"NMS Tier 1": "NMS_TIER_1", b"NMS Tier 2": "NMS_TIER_2", b"OTC": "OTC"}


def main() -> None:
    """Build every week of the list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weeks", type=Path)
    parser.add_argument("lake", type=Path)
    parser.add_argument("--threads", type=int, default=1, help="weeks at a time")
    chosen = parser.parse_args()
    weeks = delivered.read_list(chosen.weeks)
    database = duckdb.connect()

    def build(week: date) -> None:
        with database.cursor() as connection:
            build_week(connection, chosen.lake, week, weeks[week])

    with ThreadPoolExecutor(chosen.threads) as pool:
        list(pool.map(build, weeks))


def build_week(
    connection: duckdb.DuckDBPyConnection, lake: Path, week: date, paths: list[Path]
) -> None:
    """Write the four tables of a week from its files, one a tier."""
    now = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    captures = {}
    for path in paths:
        content = path.read_bytes()
        tier = TIERS[content[content.index(b"\n") + 1 :].partition(b"|")[0]]
        captures[tier] = f"{now:%Y%m%dT%H%M%SZ}-{hashlib.sha256(content).hexdigest()[:12]}"
        verb = "INSERT INTO raw" if len(captures) > 1 else "CREATE TEMP TABLE raw AS"
        connection.execute(
            f"{verb} {SQL['raw']}",
            {
                "capture_id": captures[tier],
                "week": week,
                "name": path.name,
                "path": str(path),
                "now": now,
            },
        )
        target = part(lake, "otc_raw", week, f"{tier}.ATS.{captures[tier]}")
        one_file = "FROM raw WHERE capture_id = $capture_id"
        connection.execute(
            f"COPY ({one_file}) TO $target {PARQUET}",
            {"capture_id": captures[tier], "target": target},
        )
    inputs = hashlib.sha256("".join(captures.values()).encode()).hexdigest()
    build = {"build_id": f"{now:%Y%m%dT%H%M%SZ}-{inputs[:12]}"}
    connection.execute(f"CREATE TEMP TABLE venue_volume AS {SQL['venue_volume']}", build)
    stored = "SELECT * EXCLUDE (input_capture_id) FROM venue_volume"
    target = part(lake, "otc_venue_volume", week)
    connection.execute(f"COPY ({stored}) TO $target {PARQUET}", {"target": target})
    for name in ("symbol_summary", "venue_share"):
        target = part(lake, f"otc_{name}", week)
        connection.execute(f"COPY ({SQL[name]}) TO $target {PARQUET}", build | {"target": target})


def part(lake: Path, table: str, week: date, name: str = "data") -> str:
    """Path of one Parquet file of a table's week; its folder is made."""
    folder = lake / table / f"week_ending={week}"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / f"{name}.parquet")


if __name__ == "__main__":
    main()
