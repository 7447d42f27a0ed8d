"""A declared check has exactly one function, and looks at other weeks only if it is declared to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from spine_assets.core.tables import Check, Table
from spine_assets.lake.base import Lake
from spine_assets.otc.build.week_inputs import choose_captures
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.checks import registry
from spine_assets.otc.checks.context import CheckContext, ReachesOtherWeeks
from spine_assets.otc.checks.registry import FUNCTIONS
from spine_assets.otc.delivery.deliveries import Landing
from spine_assets.otc.state.build_context import RunContext
from spine_assets.otc.state.results import CheckResult
from spine_assets.otc.state.venue_totals import VenueTotals
from spine_assets.otc.tables import raw
from spine_assets.otc.tables.registry import TABLES
from spine_assets_tests.conftest import WEEK, House, delivered, line

BEFORE = WEEK - timedelta(weeks=1)
DECLARED = [(table, check) for table in TABLES for check in table.checks]
OF_ONE_WEEK = [
    pytest.param(table, check, id=f"{table.name}-{check.name}")
    for table, check in DECLARED
    if not check.compares_weeks
]


def by_property(context: CheckContext) -> object:
    return context.other_weeks.lake.weeks(raw.TABLE.name)


def by_query(context: CheckContext) -> object:
    """From the own files' folder to that of another week."""
    (own,) = context.files[raw.TABLE.name]
    other = own.parent.parent / f"week_ending={BEFORE}" / own.name
    return context.query("reconcile_venue_volume", raw=[other], rejects=[], venue_volume=[])


def test_declared_checks_and_functions_are_the_same() -> None:
    assert sorted((table.name, check.name) for table, check in DECLARED) == sorted(FUNCTIONS)


def test_a_check_that_compares_weeks_never_blocks() -> None:
    assert [check.name for _, check in DECLARED if check.compares_weeks and check.blocking] == []


@pytest.mark.parametrize("reach", [by_property, by_query])
@pytest.mark.parametrize(("table", "check"), OF_ONE_WEEK)
def test_a_check_that_is_not_declared_to_compare_weeks_reaches_no_other(
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    table: Table,
    check: Check,
    reach: Callable[[CheckContext], object],
) -> None:
    """Whatever its function does: here it reaches for another week, in a build."""

    def reaching(context: CheckContext) -> CheckResult:
        reach(context)
        return context.result(check.name, True, "reached another week")

    house.drop("otc.csv", delivered(line()))
    monkeypatch.setitem(FUNCTIONS, (table.name, check.name), reaching)
    with pytest.raises(ReachesOtherWeeks, match=f"{table.name}: check {check.name} .*other weeks"):
        house.build()


@pytest.mark.parametrize(
    ("table", "check"), [(table, check) for table, check in DECLARED if check.compares_weeks]
)
def test_a_check_that_is_declared_to_compare_weeks_reaches_them(
    house: House, monkeypatch: pytest.MonkeyPatch, table: Table, check: Check
) -> None:
    house.drop(f"week_ending={BEFORE}/otc.csv", delivered(line()))
    house.built(week=BEFORE)
    found: list[object] = []

    def reaching(context: CheckContext) -> CheckResult:
        found.append(by_property(context))
        return context.result(check.name, True, "reached another week")

    house.drop("otc.csv", delivered(line("OTHER")))
    run = house.workplace()
    inputs = choose_captures(WEEK, [raw.TABLE.name], run, capture=True)
    monkeypatch.setitem(FUNCTIONS, (table.name, check.name), reaching)
    registry.run(check, CheckContext(run, inputs, table))
    assert found == [[BEFORE]]


def test_nothing_that_a_check_is_given_leads_to_the_lake(house: House) -> None:
    """Of all public attributes, and those of what they hold."""
    house.drop("otc.csv", delivered(line()))
    house.built()
    inputs = choose_captures(WEEK, [raw.TABLE.name], house.workplace(), capture=True)
    (first, *_) = raw.TABLE.checks
    seen: set[int] = set()
    waiting: list[object] = [CheckContext(house.workplace(), inputs, raw.TABLE, check=first)]
    while waiting:
        item = waiting.pop()
        assert not isinstance(item, Lake | RunContext | VenueTotals | Landing), item
        if id(item) in seen or not type(item).__module__.startswith("spine_assets"):
            continue
        seen.add(id(item))
        public = [n for n in dir(item) if not n.startswith("_") and n != "other_weeks"]
        waiting += [getattr(item, name) for name in public]


def test_rows_of_a_capture_are_read_from_the_lake_after_a_build(house: House) -> None:
    """What waits for the weeks before holds no rows of its own week."""
    house.drop("otc.csv", delivered(line("AAAA"), line("BBBB")))
    house.built()
    (capture,) = captures.stored(house.lake, WEEK)
    inputs = choose_captures(WEEK, [raw.TABLE.name], house.workplace(), capture=True)
    small = inputs.without_rows(totals_too=False)
    assert dict(small.frames) == {}
    assert small.frames.rows_of(capture)["symbol"].to_list() == ["AAAA", "BBBB"]
