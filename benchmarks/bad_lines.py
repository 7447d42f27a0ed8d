"""What judging lines costs: a week of good lines, and of bad ones.

    uv run python benchmarks/bad_lines.py --rows 192000

Each part is timed in this process, in turns: reading and typing a file of which some lines are
bad, and the Pandera schemas of all tables of a week of good lines. A good line is judged by one
question for all checks; only the others are judged check by check.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial

import polars as pl

from spine_assets.core.pandera_schema import pandera_schema
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.build.builders import BUILDERS
from spine_assets.otc.captures import storage
from spine_assets.otc.delivery import line_schema
from spine_assets.otc.delivery.file_format import parse
from spine_assets.otc.delivery.placement import Placement, WeekSource
from spine_assets.otc.tables import raw, row_rules, venue_volume
from spine_assets.otc.tables.registry import table

WEEK, TODAY = date(2025, 11, 21), date(2026, 1, 20)
HEADER = "|".join(line_schema.DELIVERED)
BAD = (0.0, 0.001, 0.01, 0.1, 0.5, 1.0)
VENUES = 42


def main() -> None:
    """Print CPU seconds, the median of some rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=192_000, help="of a week, all tiers")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    contents = {bad: content(chosen.rows, bad) for bad in BAD}
    parts: dict[str, Callable[[], object]] = {
        f"read, {bad:.1%} bad": partial(parse, text, TODAY) for bad, text in contents.items()
    }
    parts |= schemas(contents[0.0])
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(chosen.rounds + 1):
        for name, part in parts.items():
            started = time.process_time()
            part()
            seconds[name].append(time.process_time() - started)
    found = {name: round(statistics.median(times[1:]), 4) for name, times in seconds.items()}
    for name, value in found.items():
        sys.stdout.write(f"{name:42} {value:8.3f} CPU s\n")
    sys.stdout.write(json.dumps({"rows": chosen.rows, "cpu_seconds": found}) + "\n")


def content(rows: int, bad: float) -> bytes:
    """A file of which a part of the lines has no number of shares."""
    draws = random.Random(1)  # noqa: S311 - figures of a benchmark
    lines = [HEADER]
    for number in range(rows):
        mpid = f"V{number % VENUES:03}"
        shares = "abc" if draws.random() < bad else str(draws.randint(1, 10**6))
        lines.append(
            f"NMS Tier 1|S{number // VENUES:06}|Some Company Incorporated Common Stock|"
            f"{mpid} NAME OF A VENUE|{mpid}|{shares}|{draws.randint(1, 5000)}|2025-12-08"
        )
    return "\n".join([*lines, ""]).encode()


def schemas(text: bytes) -> dict[str, Callable[[], object]]:
    """The questions that good lines and rows are asked, apart from the work around them."""
    parsed = parse(text, TODAY)
    placement = Placement(WEEK, Tier.NMS_TIER_1, VenueClass.ATS, WeekSource.PATH)
    made = storage.make(parsed, placement, "week.csv", datetime.now(UTC))
    accepted, _ = row_rules.split(made.rows)
    venues = venue_volume.build(accepted, "build")
    inputs = pl.DataFrame(
        [(Tier.NMS_TIER_1.value, VenueClass.ATS.value, made.capture.capture_id)],
        schema=["tier", "venue_class", "input_capture_id"],
        orient="row",
    )
    texts = pl.read_csv(
        text, separator="|", quote_char=None, schema=dict.fromkeys(line_schema.DELIVERED, pl.String)
    )
    declared = line_schema.fields(texts, line_schema.DELIVERED, TODAY)
    found: dict[str, Callable[[], object]] = {
        "schema of delivered lines": lambda: line_schema.doubtful(texts, declared),
        "rules of single rows": lambda: row_rules.split(made.rows),
    }
    tables = {name: build(venues, inputs, "build") for name, build in BUILDERS.items()}
    tables |= {raw.TABLE.name: made.rows, venue_volume.TABLE.name: venues}
    for name, frame in tables.items():
        schema = pandera_schema(table(name), at_once=True)
        found[f"schema of {name}"] = partial(schema.validate, frame)
    return found


if __name__ == "__main__":
    main()
