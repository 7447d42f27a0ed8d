"""What the lake and Dagster's history disagree on, and how they are brought to agree.

A week is done when the lake has its tables and Dagster has recorded them. The two part when
Dagster's history is removed or its disk is full (tables without a record), when assets are wiped
in the UI, and when the lake is reset or files are deleted (records without a table). The lake is
right about what is stored, so the record follows it in both directions: a table that is stored
and fresh is recorded with its data version and facts, in no run; a record of which no file is left
is wiped. A stale table is neither: `spine backfill --missing` builds it, and its run records it.

Belongs here: comparing and mending. Does not belong here: the queries (`history.materializations`)
and the description of a stored table (`otc.state.stored_tables`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import dagster as dg
import polars as pl

from spine_assets.alerts.ongoing import FILES
from spine_assets.core.settings import load_settings
from spine_assets.lake.base import Lake, LakeError
from spine_assets.lake.format import lake_id
from spine_assets.orchestration.asset_events import materialization
from spine_assets.orchestration.history import materializations
from spine_assets.orchestration.history.materializations import Recorded
from spine_assets.orchestration.site import our_key
from spine_assets.otc.state.freshness import Freshness
from spine_assets.otc.state.results import TableBuilt
from spine_assets.otc.state.stored_tables import stored_tables
from spine_assets.otc.tables.registry import TABLES
from spine_assets.report import NAME as REPORT
from spine_assets.report import stored as reports

WEEKLY = (*(table.name for table in TABLES), REPORT)
"""The assets that are compared: all that a weekly run makes."""
_FEW = 16  # so many weeks are looked up one by one; beyond it a table is listed once


@dataclass(frozen=True)
class Differences:
    """Tables' weeks on which lake and history disagree, by week and by name.

    Attributes:
        unrecorded: Stored, and not recorded, or recorded with another data version. Weeks before
            `SPINE_FIRST_WEEK` have no partition, and need no record.
        lost: Recorded, and no file of them is stored.
    """

    unrecorded: dict[date, list[str]]
    lost: dict[date, list[str]]

    def __bool__(self) -> bool:
        return bool(self.unrecorded or self.lost)

    @property
    def weeks(self) -> set[date]:
        """All weeks of which there is one."""
        return {*self.unrecorded, *self.lost}


def differences(
    instance: dg.DagsterInstance,
    lake: Lake,
    weeks: Collection[date] | None = None,
    *,
    versions: Collection[date] = (),
) -> Differences:
    """What lake and history disagree on.

    Args:
        instance: Dagster's instance.
        lake: The lake; without its tables (`spine db init`) nothing can be said.
        weeks: Only these; default all.
        versions: Weeks of which data versions are compared too, which opens their files.

    Raises:
        LakeError: the lake cannot be listed.
    """
    if not materializations.is_readable(instance):
        return Differences({}, {})
    if not lake.empty_part(WEEKLY[0]).exists():
        return Differences({}, {})  # no lake, or its disk is not mounted: no file says nothing
    kept = _stored(lake, weeks)
    recorded = _recorded(instance, weeks)
    first = load_settings().first_week
    unrecorded = {key for key in kept if key not in recorded and key[0] >= first}
    for week in versions:
        unrecorded |= {
            (week, built.table)
            for built in _readable(lake, week)
            if (found := recorded.get((week, built.table))) is not None
            and found.data_version != built.data_version
        }
    return Differences(_by_week(unrecorded), _by_week(key for key in recorded if key not in kept))


def record(
    instance: dg.DagsterInstance, lake: Lake, found: Differences
) -> Iterator[tuple[date, list[str]]]:
    """Record the stored tables that are fresh, and yield each week with those recorded.

    Tables that are stale, or cannot be read, are left to a build of their week.
    """
    identity = lake_id(lake)
    for week, names in sorted(found.unrecorded.items()):
        built = [item for item in _readable(lake, week) if item.table in names]
        for item in built:
            made = materialization(item, week, our_key(item.table), identity)
            instance.report_runless_asset_event(made)
        yield week, [item.table for item in built]


def wipe(instance: dg.DagsterInstance, found: Differences) -> None:
    """Take the records of which no file is left out of Dagster's history."""
    for name in WEEKLY:
        weeks = [str(week) for week, names in sorted(found.lost.items()) if name in names]
        materializations.wipe_partitions(instance, _recorded_as(name), weeks)


def forget_tables(instance: dg.DagsterInstance, others: Collection[str] = ()) -> None:
    """Take all records of the weekly tables and of delivered files out of Dagster's history.

    Args:
        instance: Dagster's instance.
        others: Other tables of which the records go too.
    """
    names = {_recorded_as(name) for name in (*WEEKLY, FILES)} | {*others}
    known = instance.all_asset_keys()
    instance.wipe_assets([key for key in known if key.to_user_string() in names])


def forget_weeks(
    instance: dg.DagsterInstance, names: Collection[str], weeks: Collection[date]
) -> None:
    """Let Dagster forget weeks of other assets, such as tables that pipelines declare."""
    known = {key.to_user_string() for key in instance.all_asset_keys()}
    for name in known.intersection(names):
        materializations.wipe_partitions(instance, name, [str(week) for week in weeks])


def reconcile(instance: dg.DagsterInstance, lake: Lake, weeks: Collection[date]) -> Differences:
    """Bring lake and history to agree on some weeks; what they disagreed on."""
    found = differences(instance, lake, weeks)
    for _ in record(instance, lake, found):
        pass
    wipe(instance, found)
    return found


def _readable(lake: Lake, week: date) -> list[TableBuilt]:
    """The stored tables of a week that are fresh, and its report; none if captures are damaged."""
    try:
        built = stored_tables(lake, week)
    except (LakeError, pl.exceptions.PanicException):  # builds and `spine doctor` name the file
        return []
    page = reports.page_path(lake, week)
    if (stamp := reports.stamp_of(lake, page)) and (
        reports.freshness(lake, week) is Freshness.FRESH
    ):
        built.append(TableBuilt(REPORT, stamp.build, True, stamp.facts | {"report": page}))
    return built


def _stored(lake: Lake, weeks: Collection[date] | None) -> set[tuple[date, str]]:
    """The weeks and tables of which the lake has a file."""
    endings = {REPORT: reports.PAGE}
    if weeks is not None and len(weeks) <= _FEW:
        return {
            (week, name)
            for week in weeks
            for name in WEEKLY
            if lake.files(name, week, endings.get(name, ".parquet"))
        }
    found = {
        (week, name) for name in WEEKLY for week in lake.names(name, endings.get(name, ".parquet"))
    }
    return found if weeks is None else {key for key in found if key[0] in weeks}


def _recorded(
    instance: dg.DagsterInstance, weeks: Collection[date] | None
) -> dict[tuple[date, str], Recorded]:
    """The latest materialization by week and table."""
    if weeks is not None and not weeks:
        return {}
    span = None if weeks is None else (str(min(weeks)), str(max(weeks)))
    names = {_recorded_as(name): name for name in WEEKLY}
    found = materializations.latest_materializations(instance, [*names], span)
    by_key = {(date.fromisoformat(item.partition), names[item.table]): item for item in found}
    return {key: item for key, item in by_key.items() if weeks is None or key[0] in weeks}


def _recorded_as(name: str) -> str:
    """The asset of a table in the history, with the prefix of the current site."""
    return our_key(name).to_user_string()


def _by_week(keys: Iterable[tuple[date, str]]) -> dict[date, list[str]]:
    """Names by week, the earliest first, in the order of the declarations."""
    found: dict[date, list[str]] = {}
    for week, name in sorted(keys, key=lambda key: (key[0], WEEKLY.index(key[1]))):
        found.setdefault(week, []).append(name)
    return found
