"""What is one cause, what is reported again, and how little of it is kept."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from spine_assets.alerts import ongoing, run_report
from spine_assets.alerts.alert import Alert, AlertKind
from spine_assets.alerts.problem import MOST_MESSAGES, Problem, alerts_of
from spine_assets.alerts.run_report import FailedCheck, RunReport
from spine_assets.alerts.sensor_state import Reported, SensorState, WaitingAlert
from spine_assets.core.text import Shown
from spine_assets.otc.delivery.deliveries import STILL_WRITTEN, Unusable

WEEK = date(2025, 11, 21)
HISTORY = [date(2014, 5, 16) + timedelta(weeks=n) for n in range(653)]


def failed(week: date | None, text: str = "disk full") -> Problem:
    return Problem(AlertKind.RUN_FAILED, text, week, run_id="r")


def check(table: str, name: str = "reconciles", *, blocking: bool = False) -> FailedCheck:
    return FailedCheck(WEEK, table, name, f"{table} is wrong", blocking, {"rows": 7})


def test_one_bad_week_in_five_tables_is_one_message() -> None:
    tables = ("otc_raw", "otc_rejects", "otc_venue_volume", "otc_symbol_summary", "otc_venue_share")
    report = RunReport("r", "otc_weekly", True, failed_checks=tuple(check(t) for t in tables))
    (alert,) = alerts_of(run_report.problems(report))
    assert alert.title == f"Check failed: otc_raw.reconciles, week {WEEK}"
    for table in tables:
        assert f"{table} is wrong" in alert.text
    assert alert.numbers == {"rows": 7}


def test_the_blocking_check_is_the_cause_and_the_failure_its_consequence() -> None:
    report = RunReport(
        "r",
        "otc_weekly",
        False,
        failures={WEEK: "otc_raw was not published: schema: ..."},
        failed_checks=(check("otc_raw", "rejects"), check("otc_raw", "schema", blocking=True)),
    )
    (alert,) = alerts_of(run_report.problems(report))
    assert (alert.kind, alert.check) == (AlertKind.CHECK_FAILED, "schema")


def test_a_failure_beside_a_check_that_does_not_block_is_a_cause_of_its_own() -> None:
    report = RunReport(
        "r",
        "otc_weekly",
        False,
        failures={WEEK: "disk full"},
        failed_checks=(check("otc_raw", "rejects"),),
    )
    assert [alert.kind for alert in alerts_of(run_report.problems(report))] == [
        AlertKind.CHECK_FAILED,
        AlertKind.RUN_FAILED,
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (
            "2025-11-14: cannot write /a/b/x.parquet: full",
            "2025-11-21: cannot write /c: full",
            True,
        ),
        ("12 of 300 lines", "7 of 1 lines", True),
        ("capture 0123456789ab is damaged", "capture ba9876543210 is damaged", True),
        ("disk full", "disk read-only", False),
    ],
)
def test_causes_are_the_same_but_for_figures_and_places(one: str, other: str, same: bool) -> None:
    assert (failed(WEEK, one).cause == failed(WEEK, other).cause) is same


def test_a_storm_of_causes_is_summed_up_in_the_last_message() -> None:
    words = [chr(97 + n) * 3 for n in range(26)]
    storm = [failed(week, word) for week, word in zip(HISTORY, words, strict=False)]
    alerts = alerts_of(storm)
    assert len(alerts) == MOST_MESSAGES
    assert alerts[-1].numbers["causes"] == 26 - MOST_MESSAGES + 1
    assert alerts[-1].weeks == tuple(HISTORY[MOST_MESSAGES - 1 : 26])


def test_what_was_reported_is_new_again_only_after_it_recovered() -> None:
    reported = Reported()
    reported.add([failed(WEEK)])
    assert reported.new([failed(WEEK)]) == []
    assert reported.new([failed(WEEK, "something else")])
    reported.forget({str(WEEK)})
    assert reported.new([failed(WEEK)])
    reported.add([failed(WEEK)])
    reported.keep([])
    assert reported.items == {}


def test_one_thing_is_new_once_however_often_it_is_found() -> None:
    assert Reported().new([failed(WEEK), failed(WEEK)]) == [failed(WEEK)]


def test_the_state_is_read_as_it_was_written_and_is_small() -> None:
    state = SensorState(7, folders="x")
    state.runs.add([failed(week) for week in HISTORY])
    state.ongoing.add(ongoing.unusable_files([Unusable("a.csv", Shown("is empty"))]))
    alert = Alert(
        AlertKind.RUN_FAILED, "x", "spine status", (WEEK,), numbers={"n": 1.5}, run_id="r"
    )
    state.waiting = [WaitingAlert(alert, ["mail"], 3)]
    text = state.as_json()
    assert SensorState.from_json(text) == state
    assert len(text) < 700


def test_the_state_is_bounded_whatever_happens() -> None:
    state = SensorState(1)
    for n in range(1_000):
        text = "".join(chr(97 + int(digit)) for digit in str(n))
        state.runs.add([failed(WEEK, text)])
    names = [Unusable(f"{n}.csv", Shown("is empty")) for n in range(5_000)]
    state.ongoing.add(ongoing.unusable_files(names))
    assert len(state.as_json()) < 20_000


@pytest.mark.parametrize("text", [None, "", "{}", "[]", "nonsense", '{"version":1}'])
def test_a_text_that_is_no_state_is_none(text: str | None) -> None:
    assert SensorState.from_json(text) is None


def test_a_state_of_another_version_is_none() -> None:
    facts = json.loads(SensorState(7).as_json())
    assert SensorState.from_json(json.dumps(facts | {"version": 99})) is None


def test_a_file_that_is_still_being_written_is_no_problem() -> None:
    items = [Unusable("a.csv", STILL_WRITTEN), Unusable("b.csv", Shown("is empty"))]
    assert [item.thing for item in ongoing.unusable_files(items)] == ["b.csv"]


def test_a_cursor_that_an_earlier_version_stored_is_read() -> None:
    stored = (
        '{"version":1,"position":7,"runs":{"787a96efead7":["2025-11-21"]},"standing":{},'
        '"looked_at":"x","waiting":[{"alert":{"kind":"run_failed","said":"disk full",'
        '"next_command":"spine status","weeks":["2025-11-21"],"table":"","check":"","about":"",'
        '"numbers":{},"run_id":"r"},"channels":["mail"],"tries":3}]}'
    )
    state = SensorState.from_json(stored)
    assert state is not None
    assert state.runs.new([failed(WEEK)]) == []
    assert state.waiting[0].alert.text == "disk full"
    assert json.loads(state.as_json()) == json.loads(stored)
