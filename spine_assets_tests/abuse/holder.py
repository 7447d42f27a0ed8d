"""A person's session: opens the database again and again and queries it until told to stop.

    python -m spine_assets_tests.abuse.holder spine.duckdb STOP

It ends when the file STOP is there, and prints what it saw as JSON. What it compares are sums
across tables: a week that is of one build in one table and of another in the next differs.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import duckdb

_PAUSE_SECONDS = 0.05
MIXED = """
    WITH by_line AS (
        SELECT week_ending, sum(share_volume) AS shares, max(capture_id) AS newest
        FROM otc_raw_current GROUP BY ALL
    ), by_venue AS (
        SELECT week_ending, sum(share_volume) AS shares FROM otc_venue_volume GROUP BY ALL
    ), by_symbol AS (
        SELECT week_ending, sum(total_volume) AS shares, max(input_max_capture_id) AS newest
        FROM otc_symbol_summary GROUP BY ALL
    ), shares AS (
        SELECT week_ending, sum(total_volume) AS shares FROM otc_venue_share GROUP BY ALL
    ), refused AS (
        SELECT week_ending, sum(share_volume) AS shares
        FROM otc_rejects SEMI JOIN otc_raw_current USING (capture_id, source_line) GROUP BY ALL
    )
    SELECT week_ending FROM by_line
    FULL JOIN by_venue USING (week_ending) FULL JOIN by_symbol USING (week_ending)
    FULL JOIN shares USING (week_ending) LEFT JOIN refused USING (week_ending)
    WHERE by_line.shares - coalesce(refused.shares, 0) IS DISTINCT FROM by_venue.shares
        OR by_venue.shares IS DISTINCT FROM by_symbol.shares
        OR by_venue.shares IS DISTINCT FROM shares.shares
        OR by_line.newest IS DISTINCT FROM by_symbol.newest
    ORDER BY ALL
"""
"""Weeks of which two tables are of two builds."""


def hold(path: Path, stop: Path) -> dict[str, object]:
    """Query until the stop file is there; reads, weeks of two builds, and errors."""
    reads, mixed, errors = 0, set[str](), set[str]()
    states = set[str]()
    while not stop.exists():
        try:
            with duckdb.connect(str(path), read_only=True) as connection:
                connection.execute("SET threads = 1")
                mixed |= {str(week) for (week,) in connection.execute(MIXED).fetchall()}
                states.add(str(connection.execute("FROM spine_build ORDER BY ALL").fetchall()))
            reads += 1
        except duckdb.Error as error:
            errors.add(str(error))
        path.with_name(f"{stop.name}.ready").touch()
        time.sleep(_PAUSE_SECONDS)
    found = {"mixed": sorted(mixed), "errors": sorted(errors)}
    return {"reads": reads, "states": len(states), **found}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("stop", type=Path)
    asked = parser.parse_args()
    print(json.dumps(hold(asked.path, asked.stop)))  # noqa: T201


if __name__ == "__main__":
    main()
