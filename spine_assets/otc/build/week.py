"""Builds or checks one week under its lock: captures are chosen, then each wanted table follows.

Belongs here: the order of the work. Its parts are `choose_captures`, `publish` and `run_checks`;
none of them knows who asked for the week (Dagster, the CLI or a test).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from datetime import date

from spine_assets.lake.base import LakeError
from spine_assets.otc.build.publish import publish_raw, publish_table
from spine_assets.otc.build.require_upstream import require_fresh, require_upstream
from spine_assets.otc.build.run_checks import run_checks
from spine_assets.otc.build.week_inputs import choose_captures
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.checks.context import CheckContext
from spine_assets.otc.checks.delivery import nothing_usable
from spine_assets.otc.state.build_context import RunContext
from spine_assets.otc.state.results import BuildFailed, NoInput, TableResult, WeekResult
from spine_assets.otc.tables import raw
from spine_assets.otc.tables.registry import TABLES


def build_week(
    week: date,
    wanted: Collection[str],
    run: RunContext,
    *,
    force: bool = False,
) -> WeekResult:
    """Build the wanted tables of a week; checks that compare weeks wait for `WeekResult.finish`.

    Args:
        week: Week ending.
        wanted: Table names; those not wanted are read from the lake and must be fresh.
        run: The lake, the deliveries, DuckDB and the clock.
        force: Build also what is unchanged.
    """
    return _locked(week, run, _tables_built(week, {*wanted}, run, force))


def check_week(week: date, wanted: Collection[tuple[str, str]], run: RunContext) -> WeekResult:
    """Run checks, by (table, check), on a week as it is stored; nothing is built."""
    return _locked(week, run, _tables_checked(week, {*wanted}, run))


def _locked(week: date, run: RunContext, tables: Iterator[TableResult]) -> WeekResult:
    """Work on the tables of a week under its lock, up to the first error."""
    result = WeekResult(week)
    started = time.perf_counter()
    try:
        with run.lake.lock(week, run.given_up):
            for table in tables:
                result.add(table)
                if table.error is not None:
                    break
    except (BuildFailed, LakeError) as error:
        result.error = error
        if isinstance(error, NoInput):
            result.events.append(nothing_usable(week, error.refused))
    result.seconds = time.perf_counter() - started
    return result


def _tables_built(
    week: date, wanted: set[str], run: RunContext, force: bool
) -> Iterator[TableResult]:
    run.lake.remove_leftovers(week)
    captures.remove_uncommitted(run.lake, week)
    inputs = choose_captures(week, wanted, run, capture=raw.TABLE.name in wanted)
    for declared in TABLES:
        if declared.name not in wanted:
            continue
        if declared.name == raw.TABLE.name:
            yield publish_raw(inputs, run)
        else:
            require_upstream(declared, inputs, run.lake, wanted)
            yield publish_table(declared, inputs, run, force=force)


def _tables_checked(
    week: date, wanted: set[tuple[str, str]], run: RunContext
) -> Iterator[TableResult]:
    names = {table for table, _ in wanted}
    inputs = choose_captures(week, names, run, capture=False)
    for declared in TABLES:
        checks = [check for check in declared.checks if (declared.name, check.name) in wanted]
        if checks:
            require_upstream(declared, inputs, run.lake)
            require_fresh(declared.name, declared.name, inputs, run.lake)
            yield run_checks(checks, CheckContext(run, inputs, declared), build=False)
