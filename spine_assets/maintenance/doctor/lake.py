"""The lake and its views: tables, leftovers, seals, what is behind, and whether views answer.

Only read: nothing is declared, mended or deleted here.
"""

from __future__ import annotations

import glob
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl

from spine_assets.core.settings import Settings
from spine_assets.lake.base import EMPTY_WEEK, Lake, LakeError, LakeFile, week_of
from spine_assets.lake.opening import open_lake
from spine_assets.maintenance.doctor.findings import Finding, fail, listed, ok, warn
from spine_assets.otc.captures import pins
from spine_assets.otc.tables.registry import TABLES
from spine_assets.pipelines.weeks_to_build import is_stale
from spine_assets.report import NAME as REPORT
from spine_assets.warehouse.view_file import is_up_to_date

RAW = TABLES[0].name
_VIEWS = (*(table.name for table in TABLES), pins.TABLE.name, "otc_raw_current")
_SEALED_WEEKS = 4  # some 200 MB of full-size weeks, which are hashed in a second
_JUDGED_WEEKS = 52  # each opens some footers; all history would take most of a minute
# Longer than a run may take (`max_runtime_seconds`): younger ones may be a run's that lives.
_LEFTOVER_SECONDS = 3_600
_BUILD = "spine backfill --missing builds what is behind"


def tables(settings: Settings) -> Finding:
    """Whether the lake is a folder with a folder for each table."""
    lake = open_lake(settings.lake_place)
    names = [table.name for table in (*TABLES, pins.TABLE)]
    root = lake.root
    if isinstance(root, Path) and root.exists() and not root.is_dir():
        return fail(
            f"{root} is a file where the lake's folder is expected",
            "move it away, or let SPINE_LAKE name another folder",
        )
    if not lake.entries():
        return warn(f"there is no lake at {root} yet", "spine db init, or build a week")
    if odd := [name for name in names if isinstance(root, Path) and (root / name).is_file()]:
        return fail(
            f"in {lake.root} these are files where folders are expected: {listed(odd)}",
            "move them away, then spine db init",
        )
    if missing := [name for name in names if not lake.empty_part(name).exists()]:
        return warn(
            f"no view can answer for {listed(missing)}: its empty file is missing", "spine db init"
        )
    if odd := [f"{name}/{entry}" for name in names for entry in _of_no_week(lake, name)]:
        return fail(
            f"in {lake.root} these are named as weeks are, and are none: {listed(odd)}; queries of "
            "their tables may fail",
            "move them away",
        )
    weeks = lake.weeks(RAW)
    span = f"{weeks[0]} to {weeks[-1]}" if weeks else "none yet"
    return ok(f"{len(names)} tables in {lake.root}; weeks captured: {len(weeks)} ({span})")


def _of_no_week(lake: Lake, table: str) -> list[str]:
    named = [entry for entry in lake.entries(table) if entry.startswith("week_ending=")]
    return [entry for entry in named if entry != EMPTY_WEEK and week_of(entry) is None]


def leftovers(settings: Settings) -> Finding:
    """Temporary files of runs that were killed."""
    if not isinstance(settings.lake_place, Path):
        return ok("a PUT to a bucket that was broken off leaves nothing")
    before = time.time() - _LEFTOVER_SECONDS
    found, size = [], 0
    for path in sorted(settings.lake_place.glob("*/week_ending=*/.*.tmp")):
        try:
            stand = path.stat()
        except FileNotFoundError:  # its run has just published it
            continue
        if stand.st_mtime < before:
            found.append(f"{path.parent.parent.name} {path.parent.name.partition('=')[2]}")
            size += stand.st_size
    if not found:
        return ok("no run left a temporary file")
    return warn(
        f"{len(found)} temporary files ({size:,} bytes) of killed runs: {listed(found)}",
        "harmless, no reader sees them; the next run of each week removes its own",
    )


def seals(settings: Settings) -> Finding:
    """Whether the newest files hold the bytes that were written."""
    lake = open_lake(settings.lake_place)
    checked, damaged = 0, []
    for table in (*TABLES, pins.TABLE):
        for week in lake.weeks(table.name)[-_SEALED_WEEKS:]:
            for path in lake.files(table.name, week):
                checked += 1
                try:
                    lake.verify(path)
                except LakeError:
                    if path.exists():  # else it was replaced since it was listed
                        damaged.append(str(path).removeprefix(f"{lake.root}/"))
    if damaged:
        return fail(
            f"{len(damaged)} of {checked} newest files are damaged: {listed(damaged)}",
            "restore them from a copy; or delete them and build their weeks again while the "
            "delivered files are in the landing folder",
        )
    return ok(f"the {checked} newest files hold what was written")


def derived_tables(settings: Settings) -> Finding:
    """Whether the computed tables and the reports are built from what is captured."""
    lake = open_lake(settings.lake_place)
    weeks = lake.weeks(RAW)[-_JUDGED_WEEKS:]
    derived = [*(table.name for table in TABLES if table.name != RAW), REPORT]
    behind, damaged = [], []
    for week in weeks:
        try:
            if is_stale(lake, derived, week):
                behind.append(str(week))
        except (LakeError, pl.exceptions.PanicException):
            damaged.append(str(week))
    if damaged:
        return fail(
            f"captures cannot be read, of weeks {listed(damaged)}",
            "restore their files of otc_raw and otc_pins from a copy; "
            "spine captures --week WEEK names the first that is damaged",
        )
    if behind:
        return warn(
            f"tables or reports are missing or behind their captures: {listed(behind)}", _BUILD
        )
    return ok(f"of the newest {len(weeks)} weeks every table and report is up to date")


def clock(settings: Settings) -> Finding:
    """Whether the clock is behind what it was at the newest capture."""
    return judge_clock(settings, datetime.now(UTC))


def judge_clock(settings: Settings, now: datetime) -> Finding:
    """Compare a moment with the newest capture, which its file name tells."""
    lake = open_lake(settings.lake_place)
    newest = max(
        (
            moment
            for week in lake.weeks(RAW)
            for path in lake.files(RAW, week)
            if (moment := _captured_at(path)) is not None
        ),
        default=None,
    )
    if newest is None:
        return ok(f"{now:%Y-%m-%d %H:%M:%S} UTC; nothing is captured yet")
    if now < newest:
        return fail(
            f"it is {now:%Y-%m-%d %H:%M:%S} UTC here, but the newest capture is of "
            f"{newest:%Y-%m-%d %H:%M:%S} UTC: the order of captures would be wrong",
            "set the clock of this machine (or find which machine's clock is ahead)",
        )
    return ok(f"{now:%Y-%m-%d %H:%M:%S} UTC, after the newest capture")


def _captured_at(path: LakeFile) -> datetime | None:
    """When a capture was made, or None for a file that is not named as one."""
    stamp = path.name.removesuffix(".parquet").rpartition(".")[2].partition("-")[0]
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def view_file(settings: Settings) -> Finding:
    """Whether the DuckDB file of views opens, names this lake and answers."""
    path, lake = settings.warehouse_path, open_lake(settings.lake_place)
    if not path.exists():
        return warn(f"there is no {path}", "spine db init makes it; the spine command needs none")
    again = f"delete {path} (it holds views only), then spine db init"
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        if "lock" in str(error):
            return warn(
                f"somebody has {path} open to write, so nobody else can open it",
                "close that session, or open it read-only; runs do not need the file",
            )
        return fail(f"{path} cannot be opened: {_first_line(error)}", again)
    try:
        lake.reach(connection)
        fault = _fault_of_views(connection, lake)
    except (duckdb.Error, LakeError) as error:
        fault = _first_line(error)
    finally:
        connection.close()
    if fault:
        return fail(f"{path}: {fault}", again)
    if not is_up_to_date(path, lake, TABLES):
        return warn(f"{path} was made by another version of the program or DuckDB", "spine db init")
    return ok(f"{path} answers each of its {len(_VIEWS)} views over this lake")


def _fault_of_views(connection: duckdb.DuckDBPyConnection, lake: Lake) -> str | None:
    """What is wrong with the views, or None where each answers over this lake."""
    rows = connection.execute(
        "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal"
    ).fetchall()
    held: dict[str, str] = dict(rows)
    if missing := [name for name in _VIEWS if name not in held]:
        return f"it has no view {listed(missing)}"
    here = glob.escape(str(lake.root)).replace("'", "''")
    for table in (*TABLES, pins.TABLE):
        if f"{here}/{table.name}/" not in held[table.name]:
            return f"its view {table.name} is over another lake than {lake.root}"
    for name in _VIEWS:
        try:
            # The first row of the current ones would be chosen from all captures.
            connection.view(name).limit(int(name != _VIEWS[-1])).fetchall()
        except duckdb.Error as error:
            return f"its view {name} does not answer: {_first_line(error)}"
    return None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
