"""The weekly multi-asset: one step builds one week or a range of weeks.

One multi-asset and not four assets, because in a range run only a step that yields its
own events can mark single weeks good or bad: a bad week stops itself and no other.
"""

import time
from collections.abc import Iterator
from datetime import date

import dagster as dg

from spine_assets.defs.otc.events import evaluation, materialization
from spine_assets.defs.otc.specs import GROUP, check_specs, files_spec, table_specs
from spine_assets.defs.resources import Spine
from spine_assets.otc.checking import CheckResult
from spine_assets.otc.landing import Unusable
from spine_assets.otc.outcome import NoInput, TableBuilt, WeekResult, Workplace
from spine_assets.otc.week import build_week, check_week

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation


finra_otc_files = files_spec()


class BuildConfig(dg.Config):
    """Options of a run."""

    force: bool = False
    """Build also weeks whose inputs and code are unchanged."""


@dg.multi_asset(
    name="otc_week",
    specs=table_specs(),
    check_specs=check_specs(),
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def otc_week(
    context: dg.AssetExecutionContext, config: BuildConfig, spine: Spine
) -> Iterator[Event]:
    """Capture what arrived for each week and build the selected tables from it."""
    place = spine.workplace()
    asked = [date.fromisoformat(key) for key in context.partition_keys]
    weeks = _weeks_with_input(asked, place)
    if len(weeks) < len(asked):
        context.log.info(f"{len(asked) - len(weeks)} of {len(asked)} weeks have no input")
    tables = {key.to_user_string() for key in context.selected_asset_keys}
    checks = {
        (key.asset_key.to_user_string(), key.name) for key in context.selected_asset_check_keys
    }
    failures: dict[date, str] = {}
    for number, week in enumerate(weeks, start=1):
        started = time.perf_counter()
        if tables:
            unusable = _to_name(place, week, alone=len(asked) == 1, last=number == len(weeks))
            result = build_week(week, tables, place, unusable=unusable, force=config.force)
        else:
            result = check_week(week, checks, place)
        yield from _events(result, tables, checks)
        if result.error is not None:
            failures[week] = str(result.error)
            context.log.error(str(result.error))
        seconds = time.perf_counter() - started
        context.log.info(f"week {week}: {_said(result)} in {seconds:.2f} s ({number}/{len(weeks)})")
    if failures:
        raise dg.Failure(
            description="\n".join(
                [f"{len(failures)} of {len(weeks)} weeks failed:", *failures.values()]
            ),
            metadata={"failed_weeks": [str(week) for week in failures]},
            allow_retries=False,
        )


otc_weekly_job = dg.define_asset_job(
    "otc_weekly",
    selection=dg.AssetSelection.groups(GROUP),
    description="All tables of the OTC domain for one week or a range of weeks.",
)


def _weeks_with_input(asked: list[date], place: Workplace) -> list[date]:
    """A week asked for alone is built, or fails, in any case; of a range, those with input."""
    if len(asked) == 1:
        return asked
    held = {*place.landing.weeks(), *place.lake.weeks("otc_raw")}
    return [week for week in asked if week in held]


def _to_name(place: Workplace, week: date, *, alone: bool, last: bool) -> list[Unusable]:
    """Unusable files that a week's `delivery` check names.

    A week built alone names them all; in a range each is named once, by the week it
    claims or else by the last week.
    """
    if alone:
        return list(place.landing.unusable)
    return [
        item
        for item in place.landing.unusable
        if item.week_ending == week or (item.week_ending is None and last)
    ]


def _events(result: WeekResult, tables: set[str], checks: set[tuple[str, str]]) -> Iterator[Event]:
    for event in result.events:
        if isinstance(event, CheckResult):
            if (event.table, event.check) in checks:
                yield evaluation(event, result.week)
        elif event.table in tables:
            yield materialization(event, result.week)


def _said(result: WeekResult) -> str:
    built = [event for event in result.events if isinstance(event, TableBuilt)]
    if isinstance(result.error, NoInput):
        return "no input"
    if result.error is not None:
        return f"failed after {len(built)} tables"
    if built and all(event.unchanged for event in built):
        return "unchanged"
    return f"{sum(not event.unchanged for event in built)} tables built"
