"""The text that the variants of a benchmark read: made once, reused where it stands.

    uv run --group bench python benchmarks/delivered.py FOLDER WEEKS.json --weeks 20

Belongs here: which weeks there are, making their files, the list of them that a variant is
given, and reading them into the page cache. Light to import: the floors import this module
within the time that is measured.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

Weeks = dict[date, list[Path]]
"""Files of each week, one a tier, oldest week first."""

_CHUNK_BYTES = 8_000_000  # larger reads are no faster


class Size(NamedTuple):
    """How much text there is; `rows` are lines without headers."""

    files: int
    rows: int
    bytes: int


def main() -> None:
    """Make what is missing of the newest weeks, and list them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="for text of one number of rows a week")
    parser.add_argument("list", type=Path, help="JSON file to write")
    parser.add_argument("--weeks", type=int, default=20)
    parser.add_argument("--rows", type=int, default=190_000, help="ATS rows a week")
    parser.add_argument("--skip", type=int, default=0, help="leave out so many of the weeks")
    parser.add_argument(
        "--take", type=int, help="and make only so many; below 0: not the last ones"
    )
    chosen = parser.parse_args()
    weeks = complete_weeks(chosen.weeks)[chosen.skip :][: chosen.take]
    write_list(chosen.list, deliver(chosen.folder, weeks, chosen.rows))


def complete_weeks(count: int) -> list[date]:
    """The newest weeks of which all tiers are published by today, oldest first.

    Fewer than `count` where FINRA has not published so many: the files of a later week
    would carry dates that lie in the future, and be refused.
    """
    from spine_assets.core.weeks import (
        FIRST_WEEK,
        Tier,
        publication_day,
        week_ending_of,
        weeks_between,
    )

    today = datetime.now(UTC).date()
    every = weeks_between(FIRST_WEEK, week_ending_of(today))
    return [w for w in every if all(publication_day(w, tier) <= today for tier in Tier)][-count:]


def deliver(folder: Path, wanted: Iterable[date], rows: int) -> Weeks:
    """The ATS files of weeks; those that are not in the folder yet are made.

    Args:
        folder: Holds text of one number of rows a week alone.
        wanted: Week endings.
        rows: ATS rows a week.
    """
    from spine_assets.core.weeks import Tier
    from spine_assets.dev.sample import ats_name, write_sample

    weeks = {week: [folder / ats_name(week, tier) for tier in Tier] for week in wanted}
    missing = [week for week, paths in weeks.items() if not all(path.exists() for path in paths)]
    write_sample(folder, missing, rows_per_week=rows)
    return weeks


def write_list(path: Path, weeks: Weeks) -> Path:
    """Tell a variant its weeks and files."""
    told = {str(week): [str(file) for file in files] for week, files in weeks.items()}
    path.write_text(json.dumps(told, indent=1))
    return path


def read_list(path: Path) -> Weeks:
    """The weeks and files that a variant is told."""
    told = json.loads(path.read_text())
    return {
        date.fromisoformat(week): [Path(file) for file in files] for week, files in told.items()
    }


def read_all(weeks: Weeks) -> Size:
    """Read all text once, so that what runs next finds it in the page cache if it fits."""
    files = [path for paths in weeks.values() for path in paths]
    lines = length = 0
    for chunk in (chunk for path in files for chunk in _chunks(path)):
        lines += chunk.count(b"\n")
        length += len(chunk)
    return Size(len(files), lines - len(files), length)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


if __name__ == "__main__":
    main()
