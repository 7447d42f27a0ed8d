"""Checks that everything a step reads is built: from a missing week it would silently read no rows.

A table of ours is fresh or stale by its captures, a table of a pipeline by what it was made from.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from spine_assets.lake.base import Lake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.state.freshness import Freshness, build_facts, freshness, part_of
from spine_assets.otc.state.stored_tables import GIVEN
from spine_assets.otc.tables import consolidated, raw
from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.views.registry import VIEWS
from spine_assets.pipelines.steps.engine import EngineExecutionError, StepContext
from spine_assets.warehouse.views import declared_names

_VIEWS = {view.name: view for view in VIEWS}
_TABLES = {table.name for table in TABLES}
# They are made of all captures, or of the calendar, so that no week of them can be missing.
_ALWAYS_THERE = {*(table.name for table in GIVEN), "otc_raw_current", "otc_weeks_calendar"}


def require_inputs(context: StepContext, reads: Collection[str]) -> None:
    """Require that the week of everything that is read is built, from the current captures.

    A step that runs after a failure needs none of it.

    Raises:
        EngineExecutionError: a table is unknown, missing or stale; the message says what builds it.
    """
    week = context.week_ending
    names = _stored(reads)
    unknown = sorted(names - _known(context))
    if unknown:
        raise EngineExecutionError(
            f"{context.step_id} reads {', '.join(unknown)}, which is not a table or view that "
            f"{context.pipeline_id} can read; known: {', '.join(sorted(_known(context)))}"
        )
    if week is None or context.pipeline_status != "RUNNING":
        return
    shared = context.workspace.shared
    states = {
        name: state
        for name in sorted(names & _TABLES)
        if (state := _state(shared, name, week)) is not Freshness.FRESH
    }
    if states:
        listed = ", ".join(f"{name} is {state}" for name, state in states.items())
        raise EngineExecutionError(
            f"week {week} of {listed}: the step would read no rows, or old ones. Build "
            f"it first: spine backfill {week}"
        )
    _require_complete(context, reads)
    declared = sorted(names - _TABLES - _ALWAYS_THERE - {*_VIEWS})
    lakes = {name: _lake_of(context, name) for name in declared}
    weekly = [name for name, lake in lakes.items() if not lake.is_unpartitioned(name)]
    missing = [name for name in weekly if week not in lakes[name].weeks(name)]
    if missing:
        raise EngineExecutionError(
            f"week {week} of {', '.join(missing)} is not built: run its pipeline first"
        )
    for name in declared:
        _require_fresh(context, name)


def made_from(context: StepContext, reads: Collection[str]) -> dict[str, str]:
    """The current version of the run's week of everything that is read, by name."""
    if context.week_ending is None:
        return {}
    names = _stored(reads) - {"otc_weeks_calendar"} - {*_VIEWS}
    return {name: _version_of(context, name) for name in sorted(names)}


def _version_of(context: StepContext, name: str) -> str:
    """A version that changes when the week of a table is made from something else."""
    week, shared = context.week_ending, context.workspace.shared
    if week is None:
        return ""
    if name == consolidated.TABLE.name:
        return str(build_facts(shared, shared.part(name, None)).get("data_version", ""))
    if name in _ALWAYS_THERE | {raw.TABLE.name}:
        current = captures.known_of(shared, week).current.values()
        return ",".join(sorted(item.capture_id for item in current))
    if name in _TABLES:
        return str(build_facts(shared, part_of(shared, name, week)).get("build", ""))
    lake = _lake_of(context, name)
    part = lake.part(name, None if lake.is_unpartitioned(name) else week)
    return str(build_facts(lake, part).get("data_version", ""))


def _require_fresh(context: StepContext, name: str) -> None:
    """Require that the week of a pipeline's table is made from the current versions."""
    lake, week = _lake_of(context, name), context.week_ending
    if week is None or lake.is_unpartitioned(name):
        return
    versions = build_facts(lake, lake.part(name, week)).get("made_from", {})
    other = sorted(item for item, was in versions.items() if _version_of(context, item) != was)
    if other:
        raise EngineExecutionError(
            f"week {week} of {name} was made before {', '.join(other)} changed; run the pipeline "
            f"that makes {name} for this week first"
        )


def _require_complete(context: StepContext, reads: Collection[str]) -> None:
    """Require that the run's week is complete for views that show only complete weeks."""
    hiding = [view for name in sorted(reads) if (view := _VIEWS.get(name)) and view.by_week]
    if not hiding:
        return
    week = {"week": context.week_ending}
    with context.workspace.connect() as connection:
        for view in hiding:
            sql = f"SELECT 1 FROM {view.macro}($week, $week) WHERE NOT is_complete LIMIT 1"  # noqa: S608
            if connection.execute(sql, week).fetchall():
                raise EngineExecutionError(
                    f"week {context.week_ending} is not complete (spine status shows its tiers), "
                    f"and {view.name} shows only complete weeks: run this again when it is "
                    f"complete, or read {view.every_week}"
                )


def _stored(reads: Collection[str]) -> set[str]:
    """The tables behind views and their `_all` forms."""
    found: set[str] = set()
    waiting = list(reads)
    while waiting:
        name = waiting.pop()
        view = _VIEWS.get(name) or _VIEWS.get(name.removesuffix("_all"))
        if view is None:
            found.add(name)
        elif view.deps:
            waiting += view.deps
        else:
            found.add(name.removesuffix("_all"))
    return found


def _known(context: StepContext) -> set[str]:
    own, shared = context.workspace.own, context.workspace.shared
    declared = {*declared_names(own), *declared_names(shared)}
    return _TABLES | _ALWAYS_THERE | declared | {*_VIEWS}


def _state(lake: Lake, name: str, week: date) -> Freshness:
    if week not in lake.weeks(raw.TABLE.name):
        return Freshness.MISSING
    return freshness(lake, name, week, captures.known_of(lake, week))


def _lake_of(context: StepContext, name: str) -> Lake:
    """The lake that holds a table which a pipeline made: the tenant's own comes first."""
    own = context.workspace.own
    return own if own.empty_part(name).exists() else context.workspace.shared
