"""The lake and its views: tables, leftovers, checksums, stale tables, and whether views answer.

The lake is only read: nothing is declared, repaired or deleted here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import duckdb
import polars as pl

from spine_assets.core.settings import Settings
from spine_assets.core.text import Shown, counted, first_line
from spine_assets.lake.base import Lake, LakeError, LakeFile
from spine_assets.lake.format import FORMAT, stored_format
from spine_assets.lake.names import EMPTY_WEEK, is_stranger, week_of
from spine_assets.lake.opening import open_lake
from spine_assets.maintenance.copy_lake import unfinished
from spine_assets.maintenance.doctor.diagnosis import Diagnosis, fail, listed, ok, warn
from spine_assets.otc.captures import delivered, pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.delivery.provenance import Provenance
from spine_assets.otc.state.stored_tables import GIVEN
from spine_assets.otc.tables.registry import TABLES
from spine_assets.pipelines.weeks_to_build import is_stale
from spine_assets.report import NAME as REPORT
from spine_assets.warehouse.database import differing_weeks, other_lake
from spine_assets.warehouse.database_contents import Contents, contents_of

RAW = TABLES[0].name
_ANSWERING = (*(table.name for table in (*TABLES, *GIVEN)), "otc_raw_current")
_CHECKED_WEEKS = 4  # some 200 MB of full-size weeks, which are hashed in a second
_COMPARED_WEEKS = 52  # each opens some footers; all history would take most of a minute
# Longer than a run may take (`max_runtime_seconds`): a younger one may belong to a live run.
_LEFTOVER_SECONDS = 3_600
_BUILD = "spine backfill --missing builds what is stale"


def tables(settings: Settings) -> Diagnosis:
    """Whether the lake is a folder with a folder for each table."""
    lake = open_lake(settings.lake_place)
    names = [table.name for table in (*TABLES, *GIVEN)]
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
            f"in {lake.root} files are where folders are expected: {listed(odd)}",
            "move them away, then spine db init",
        )
    if missing := [name for name in names if not lake.empty_part(name).exists()]:
        return warn(
            f"no view can answer for {listed(missing)}: its empty file is missing", "spine db init"
        )
    if found := _misplaced(lake, [*names, captures.CONTROL_RAW, delivered.FOLDER]):
        return found
    weeks = lake.weeks(RAW)
    span = f"{weeks[0]} to {weeks[-1]}" if weeks else "none yet"
    return ok(f"{len(names)} tables in {lake.root}; weeks captured: {len(weeks)} ({span})")


def _misplaced(lake: Lake, names: list[str]) -> Diagnosis | None:
    """Folders and files among the tables that we did not make."""
    folders = [(name, entry) for name in names for entry in lake.entries(name)]
    odd = [
        f"{name}/{entry}"
        for name, entry in folders
        if entry.startswith("week_ending=") and entry != EMPTY_WEEK and week_of(entry) is None
    ]
    if odd:
        return fail(
            f"in {lake.root} these are named like weeks, and are not: {listed(odd)}; queries of "
            "their tables may fail",
            "move them away",
        )
    strange = [
        f"{name}/{entry}/{file}"
        for name, entry in folders
        if week_of(entry) is not None
        for file in lake.entries(name, entry)
        if is_stranger(name, file)
    ]
    if strange:
        return warn(
            f"in {lake.root} these files are not published ones, and are not read: "
            f"{listed(strange)}",
            "move them away or delete them; a program that syncs folders makes such copies",
        )
    return None


def leftovers(settings: Settings) -> Diagnosis:
    """Temporary files of runs that were killed."""
    if not isinstance(settings.lake_place, Path):
        return ok("an interrupted PUT to a bucket leaves nothing")
    before = time.time() - _LEFTOVER_SECONDS
    found, size = [], 0
    for path in sorted(settings.lake_place.glob("*/week_ending=*/.*.tmp")):
        try:
            status = path.stat()
        except FileNotFoundError:  # its run has just published it
            continue
        if status.st_mtime < before:
            found.append(f"{path.parent.parent.name} {path.parent.name.partition('=')[2]}")
            size += status.st_size
    if not found:
        return ok("no run left a temporary file")
    return warn(
        f"{len(found)} temporary files ({size:,} bytes) of killed runs: {listed(found)}",
        "harmless, no reader sees them; the next run of each week removes its own",
    )


def checksums(settings: Settings) -> Diagnosis:
    """Whether the newest files match their checksums."""
    lake = open_lake(settings.lake_place)
    checked = [*_newest_files(lake)]
    damaged = [
        str(path).removeprefix(f"{lake.root}/")
        for path, verify in checked
        if _is_damaged(path, verify)
    ]
    if damaged:
        return fail(
            f"{len(damaged)} of {len(checked)} newest files are damaged: {listed(damaged)}",
            "restore them from a copy; or delete them and build their weeks again while the "
            "delivered files are in the landing folder",
        )
    return ok(f"the {len(checked)} newest files hold what was written")


def _newest_files(lake: Lake) -> Iterator[tuple[LakeFile, Callable[[], object]]]:
    """Files of the newest weeks of each table, each with what compares it with its checksum."""
    for name in (*(table.name for table in (*TABLES, pins.TABLE)), captures.CONTROL_RAW):
        for week in lake.weeks(name)[-_CHECKED_WEEKS:]:
            for path in lake.files(name, week):
                yield path, partial(lake.verify, path)
    kept = lake.names(delivered.FOLDER, delivered.SUFFIX)
    for week in [*kept][-_CHECKED_WEEKS:]:
        for sha256 in map(delivered.hash_in, kept[week]):
            path = delivered.path(lake, week, sha256)
            yield path, partial(delivered.read, lake, week, sha256)


def _is_damaged(path: LakeFile, verify: Callable[[], object]) -> bool:
    try:
        verify()
    except LakeError:
        return path.exists()  # otherwise it was replaced since it was listed
    return False


def provenance(settings: Settings) -> Diagnosis:
    """Whether the lake holds FINRA's data or synthetic data, and not both."""
    lake = open_lake(settings.lake_place)
    weeks: dict[Provenance, list[str]] = {kind: [] for kind in Provenance}
    for week in lake.weeks(RAW)[-_COMPARED_WEEKS:]:
        with suppress(LakeError):  # `derived_tables` names it
            known = captures.known_of(lake, week)
            for kind in {kind for item in known.every for kind in item.provenance}:
                weeks[kind].append(str(week))
    of_finra, synthetic = weeks[Provenance.FINRA], weeks[Provenance.SYNTHETIC]
    if of_finra and synthetic:
        return fail(
            f"synthetic data ({listed(synthetic)}) and FINRA's ({listed(of_finra)}) are in one "
            "lake: rankings and trends mix them",
            "spine sample remove takes the synthetic data out",
        )
    if synthetic:
        return ok(f"{counted(len(synthetic), 'week')} of synthetic data, none of FINRA's")
    return ok(f"{counted(len(of_finra), 'week')} of FINRA's data, none of synthetic data")


def lake_format(settings: Settings) -> Diagnosis:
    """Whether the lake has the format of this program, and is no part of a copy."""
    lake = open_lake(settings.lake_place)
    if source := unfinished(lake):
        return fail(
            f"the lake is a copy of {Shown(source)} that is under way or was broken off",
            "if none is under way, copy again: spine lake copy FROM TO, or spine backup DIR",
        )
    found = stored_format(lake)
    if found < FORMAT and lake.weeks(RAW):
        return warn(
            f"the lake has format {found}, this program writes format {FORMAT}: queries of {RAW} "
            "open every file",
            "spine lake migrate --dry-run lists what there is to do; spine lake migrate does it",
        )
    return ok(f"the lake has format {found}")


def contents(settings: Settings) -> Diagnosis:
    """Whether every capture has its delivered content, without which no new rule reaches it."""
    lake = open_lake(settings.lake_place)
    kept = lake.names(delivered.FOLDER, delivered.SUFFIX)
    without = [
        str(week)
        for week, captured in captures.names(lake).items()
        if {digits for *_, digits in captured}
        - {captures.short_hash(delivered.hash_in(name)) for name in kept.get(week, ())}
    ]
    if without:
        return warn(
            f"captures of {len(without)} weeks lack their delivered contents, so new rules cannot "
            f"reach them: {listed(without)}",
            "put their files into the landing folder, as they were delivered, then spine lake "
            "migrate; the rows that were read stay in any case",
        )
    return ok("every capture has its delivered content")


def derived_tables(settings: Settings) -> Diagnosis:
    """Whether captures, tables and reports are what today's rules make of what is delivered."""
    lake = open_lake(settings.lake_place)
    weeks = lake.weeks(RAW)[-_COMPARED_WEEKS:]
    every = [*(table.name for table in TABLES), REPORT]
    stale, damaged = [], []
    for week in weeks:
        try:
            if is_stale(lake, every, week):
                stale.append(str(week))
        except (LakeError, pl.exceptions.PanicException):
            damaged.append(str(week))
    if damaged:
        return fail(
            f"captures cannot be read of weeks {listed(damaged)}",
            "restore their files of otc_raw, otc_control_raw and otc_pins from a copy; "
            "spine captures --week WEEK names the first damaged one",
        )
    if stale:
        return warn(
            f"tables or reports are missing, or older than their captures or the rules: "
            f"{listed(stale)}",
            _BUILD,
        )
    return ok(f"of the newest {len(weeks)} weeks every table and report is up to date")


def clock(settings: Settings, now: datetime | None = None) -> Diagnosis:
    """Whether the clock is earlier than the time in the newest capture's file name."""
    now = now or datetime.now(UTC)
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


def database(settings: Settings) -> Diagnosis:
    """Whether the DuckDB database opens, answers, and holds what the lake does."""
    path, lake = settings.warehouse_path, open_lake(settings.lake_place)
    if not path.exists():
        return warn(f"there is no {path}", "spine db refresh makes it, as each run does")
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            for name in _ANSWERING:
                # A row of `otc_raw_current` would be chosen from all captures.
                connection.view(name).limit(int(name != _ANSWERING[-1])).fetchall()
    except duckdb.Error as error:
        if "lock" in str(error):
            return warn(
                f"another process has {path} open for writing, so it cannot be opened or refreshed",
                "close that session, or open it read-only; the next run refreshes it",
            )
        return fail(
            f"{path} does not answer: {first_line(error)}",
            "spine db refresh; where it cannot, move the file away, and refresh again",
        )
    return _as_the_lake(path, contents_of(lake, settings.database_tables))


def _as_the_lake(path: Path, contents: Contents) -> Diagnosis:
    """Whether a database that answers is of this lake, and holds what it does."""
    if problem := other_lake(path, contents.lake):
        found, _, mend = problem.partition(": let ")
        return fail(found, f"let {mend}")
    differing = differing_weeks(path, contents)
    if differing is None:
        return warn(f"{path} was made by another version or for other settings", "spine db refresh")
    if differing:
        found = listed([str(week) for week in differing])
        return warn(
            f"{counted(len(differing), 'week')} in {path} differ from the lake: {found}",
            "spine db refresh; it says why a week keeps its earlier state",
        )
    return ok(f"{path} holds what the lake does")
