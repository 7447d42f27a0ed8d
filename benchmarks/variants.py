"""The ways of building the history that `history.py` compares, as processes to start."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import delivered
from measuring import PROJECT, program

SCRIPTS = Path(__file__).parent
TABLES = ("otc_raw", "otc_venue_volume", "otc_symbol_summary", "otc_venue_share")
USUAL_WEEKS = 3
# A commit a row waits for the disk each time: seconds for these few.
ROWS_COMMITTED_EACH, ROWS_COMMITTED_TOGETHER = 2_000, 20_000


@dataclass(frozen=True)
class Step:
    """One process: its words and environment."""

    command: list[str]
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Variant:
    """One way of building the tables.

    Attributes:
        name: Key in the JSON, and its folder.
        label: What the table calls it.
        steps: Its own empty folder and a list of weeks -> processes, one after another.
        stores: File or folder below its own that holds the tables.
        most_weeks: It is given no more weeks than this, and judged by the row.
        rows: Rows a week of its own smaller text.
        other_columns: Hold other values than the project's, and why is told in its script.
    """

    name: str
    label: str
    steps: Callable[[Path, Path], list[Step]]
    stores: str = "lake"
    most_weeks: int | None = None
    rows: int | None = None
    other_columns: tuple[str, ...] = ()


def _spine(folder: Path, given: Path) -> list[Step]:
    """One range run of the project, in a folder as a user has it."""
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(PROJECT / name, folder)
    landing = folder / "data" / "landing"
    landing.mkdir(parents=True)
    weeks = delivered.read_list(given)
    for path in (path for paths in weeks.values() for path in paths):
        os.link(path, landing / path.name)  # takes no room
    command = [program("dagster"), "asset", "materialize", "-m", "spine_assets.definitions"]
    keys = f"{min(weeks)}...{max(weeks)}"
    return [Step([*command, "--select", "group:otc", "--partition-range", keys])]


def _usual(folder: Path, given: Path) -> list[Step]:
    """A run a week of four assets, in a Dagster home of its own."""
    (folder / "home").mkdir()
    (folder / "home" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    settings = {
        "DAGSTER_HOME": str(folder / "home"),
        "PYTHONPATH": str(SCRIPTS),
        "USUAL_WEEKS": str(given),
        "USUAL_DATABASE": str(folder / "usual.duckdb"),
    }
    command = [program("dagster"), "asset", "materialize", "-m", "usual_dagster", "--select", "*"]
    weeks = delivered.read_list(given)
    return [Step([*command, "--partition", str(week)], settings) for week in weeks]


def _script(
    folder: Path, given: Path, *, name: str, stores: str, words: tuple[str, ...]
) -> list[Step]:
    """One process of a script of ours, which reads the list and writes what it stores."""
    command = [sys.executable, str(SCRIPTS / name), str(given), str(folder / stores)]
    return [Step([*command, *words])]


def _floor(engine: str, threads: int) -> Callable[[Path, Path], list[Step]]:
    words = ("--threads", str(threads))
    return partial(_script, name=f"floor_{engine}.py", stores="lake", words=words)


def _rows(commit: str) -> Callable[[Path, Path], list[Step]]:
    words = ("--commit", commit)
    return partial(_script, name="row_by_row.py", stores="spine.db", words=words)


_HASH = ("record_hash",)
FLOORS = (
    Variant("polars-1", "bare Polars", _floor("polars", 1)),
    Variant("polars-2", "bare Polars, 2 weeks at once", _floor("polars", 2)),
    Variant("duckdb-1", "bare DuckDB", _floor("duckdb", 1), other_columns=_HASH),
    Variant("duckdb-2", "bare DuckDB, 2 weeks at once", _floor("duckdb", 2), other_columns=_HASH),
)
SPINE = Variant("spine", "this project", _spine, stores="data/lake")
OTHERS = (
    Variant(
        "usual",
        "four assets, a run a week",
        _usual,
        stores="usual.duckdb",
        most_weeks=USUAL_WEEKS,
    ),
    Variant(
        "rows",
        "row by row, a commit a step",
        _rows("pipeline"),
        stores="spine.db",
        most_weeks=1,
        rows=ROWS_COMMITTED_TOGETHER,
    ),
    Variant(
        "rows-autocommit",
        "row by row, a commit a row",
        _rows("row"),
        stores="spine.db",
        most_weeks=1,
        rows=ROWS_COMMITTED_EACH,
    ),
)
VARIANTS = (*FLOORS, SPINE, *OTHERS)
