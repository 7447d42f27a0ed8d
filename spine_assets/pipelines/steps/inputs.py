"""Is everything there that a step reads? A week that is missing would give no rows, silently."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from spine_assets.lake.base import Lake
from spine_assets.otc.captures import pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.state.versions import Freshness, build_facts, freshness, part_of
from spine_assets.otc.tables import raw
from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.views.registry import VIEWS
from spine_assets.pipelines.steps.engine import EngineExecutionError, StepContext
from spine_assets.warehouse.views import declared_names

_VIEWS = {view.name: view for view in VIEWS}
_TABLES = {table.name for table in TABLES}
# Made of all captures, or of the calendar alone: there is no week of them to be missing.
_ALWAYS_THERE = {pins.TABLE.name, "otc_raw_current", "otc_weeks_calendar"}


def require_inputs(context: StepContext, reads: Collection[str]) -> None:
    """The week of everything that is read is stored, and made from what is captured now.

    A step that tells of a failure is held up by nothing.

    Raises:
        EngineExecutionError: names all that is missing or behind, and what builds it.
    """
    week = context.week_ending
    names = _stored(reads)
    unknown = sorted(names - _known(context))
    if unknown:
        raise EngineExecutionError(
            f"{context.step_id} reads {', '.join(unknown)}, which is no table or view that "
            f"{context.pipeline_id} can read; there are {', '.join(sorted(_known(context)))}"
        )
    if week is None or context.pipeline_status != "RUNNING":
        return
    shared = context.place.shared
    states = {
        name: state
        for name in sorted(names & _TABLES)
        if (state := _state(shared, name, week)) is not Freshness.FRESH
    }
    if states:
        said = ", ".join(f"{name} is {state}" for name, state in states.items())
        raise EngineExecutionError(
            f"week {week} of {said}: no rows, or old ones, would pass for its figures. Build it "
            f"first: spine backfill {week}"
        )
    _require_complete(context, reads)
    declared = sorted(names - _TABLES - _ALWAYS_THERE - {*_VIEWS})
    absent = [name for name in declared if _lacks(context, name)]
    if absent:
        raise EngineExecutionError(
            f"week {week} of {', '.join(absent)} is not built; run the pipeline that makes it first"
        )
    for name in declared:
        _require_fresh(context, name)


def made_from(context: StepContext, reads: Collection[str]) -> dict[str, str]:
    """What the run's week of everything that is read is made of now: a version by name."""
    if context.week_ending is None:
        return {}
    names = _stored(reads) - {"otc_weeks_calendar"} - {*_VIEWS}
    return {name: _version_of(context, name) for name in sorted(names)}


def _version_of(context: StepContext, name: str) -> str:
    """Changes when the week of a table is made of something else."""
    week, shared = context.week_ending, context.place.shared
    if week is None:
        return ""
    if name in _ALWAYS_THERE | {raw.TABLE.name}:
        held = captures.known_of(shared, week).current.values()
        return ",".join(sorted(item.capture_id for item in held))
    if name in _TABLES:
        return str(build_facts(shared, part_of(shared, name, week)).get("build", ""))
    lake = _lake_of(context, name)
    part = lake.part(name, None if lake.is_unpartitioned(name) else week)
    return str(build_facts(lake, part).get("data_version", ""))


def _require_fresh(context: StepContext, name: str) -> None:
    """The week of a table that a pipeline made is made of what stands now."""
    lake, week = _lake_of(context, name), context.week_ending
    if week is None or lake.is_unpartitioned(name):
        return
    told = build_facts(lake, lake.part(name, week)).get("made_from", {})
    other = sorted(item for item, held in told.items() if _version_of(context, item) != held)
    if other:
        raise EngineExecutionError(
            f"week {week} of {name} was made before {', '.join(other)} changed; run the pipeline "
            f"that makes {name} for this week first"
        )


def _require_complete(context: StepContext, reads: Collection[str]) -> None:
    """Views that show complete weeks alone show the run's week."""
    hiding = [view for name in sorted(reads) if (view := _VIEWS.get(name)) and view.by_week]
    if not hiding:
        return
    week = {"week": context.week_ending}
    with context.place.connect() as connection:
        for view in hiding:
            sql = f"SELECT 1 FROM {view.macro}($week, $week) WHERE NOT is_complete LIMIT 1"  # noqa: S608
            if connection.execute(sql, week).fetchone():
                raise EngineExecutionError(
                    f"week {context.week_ending} is not complete (spine status tells which tiers "
                    f"are in), and {view.name} shows complete weeks alone: run this again when it "
                    f"is, or read {view.every_week}"
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
    own, shared = context.place.own, context.place.shared
    declared = {*declared_names(own), *declared_names(shared)}
    return _TABLES | _ALWAYS_THERE | declared | {*_VIEWS}


def _state(lake: Lake, name: str, week: date) -> Freshness:
    if week not in lake.weeks(raw.TABLE.name):
        return Freshness.MISSING
    return freshness(lake, name, week, captures.known_of(lake, week))


def _lacks(context: StepContext, name: str) -> bool:
    """Whether a table that a pipeline made has no such week."""
    lake = _lake_of(context, name)
    return not lake.is_unpartitioned(name) and context.week_ending not in lake.weeks(name)


def _lake_of(context: StepContext, name: str) -> Lake:
    """The lake that holds a table which a pipeline made: the tenant's own comes first."""
    own = context.place.own
    return own if own.empty_part(name).exists() else context.place.shared
