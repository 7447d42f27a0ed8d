"""Is everything there that a step reads? A week that is missing would give no rows, silently."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from spine_assets.declarative.engine import EngineExecutionError, StepContext
from spine_assets.declared_views import declared_names
from spine_assets.lake import Lake
from spine_assets.otc import captures, pins
from spine_assets.otc.tables import TABLES
from spine_assets.otc.versions import Standing, standing
from spine_assets.otc.views import VIEWS

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
        if (state := _state(shared, name, week)) is not Standing.FRESH
    }
    if states:
        said = ", ".join(f"{name} is {state}" for name, state in states.items())
        raise EngineExecutionError(
            f"week {week} of {said}: no rows, or old ones, would pass for its figures. Build it "
            f"first: spine backfill {week}"
        )
    absent = [name for name in sorted(names - _TABLES - _ALWAYS_THERE) if _lacks(context, name)]
    if absent:
        raise EngineExecutionError(
            f"week {week} of {', '.join(absent)} is not built; run the pipeline that makes it first"
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


def _state(lake: Lake, name: str, week: date) -> Standing:
    if week not in lake.weeks("otc_raw"):
        return Standing.MISSING
    return standing(lake, name, week, captures.known_of(lake, week))


def _lacks(context: StepContext, name: str) -> bool:
    """Whether a table that a pipeline made has no such week."""
    place = context.place
    lake = place.own if place.own.empty_part(name).exists() else place.shared
    if name in _VIEWS or lake.is_whole(name):
        return False
    return context.week_ending not in lake.weeks(name)
