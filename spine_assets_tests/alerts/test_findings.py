"""What is one cause, what is told again, and how little of it is remembered."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from spine_assets.alerts import run_report, standing
from spine_assets.alerts.alert import Alert, Kind
from spine_assets.alerts.finding import MOST_MESSAGES, Finding, alerts_of
from spine_assets.alerts.memory import Memory, Told, Waiting
from spine_assets.alerts.run_report import FailedCheck, RunReport
from spine_assets.otc.landing import STILL_WRITTEN, Unusable

WEEK = date(2025, 11, 21)
HISTORY = [date(2014, 5, 16) + timedelta(weeks=n) for n in range(653)]


def failed(week: date | None, said: str = "disk full") -> Finding:
    return Finding(Kind.RUN_FAILED, said, week, run_id="r")


def check(table: str, name: str = "reconciles", *, blocking: bool = False) -> FailedCheck:
    return FailedCheck(WEEK, table, name, f"{table} is wrong", blocking, {"rows": 7})


def test_one_bad_week_in_five_tables_is_one_message() -> None:
    tables = ("otc_raw", "otc_rejects", "otc_venue_volume", "otc_symbol_summary", "otc_venue_share")
    report = RunReport("r", "otc_weekly", True, failed_checks=tuple(check(t) for t in tables))
    (alert,) = alerts_of(run_report.findings(report))
    assert alert.title == f"Check failed: otc_raw.reconciles, week {WEEK}"
    for table in tables:
        assert f"{table} is wrong" in alert.said
    assert alert.numbers == {"rows": 7}


def test_the_blocking_check_is_the_cause_and_the_failure_its_consequence() -> None:
    report = RunReport(
        "r",
        "otc_weekly",
        False,
        failures={WEEK: "otc_raw was not published: schema: ..."},
        failed_checks=(check("otc_raw", "rejects"), check("otc_raw", "schema", blocking=True)),
    )
    (alert,) = alerts_of(run_report.findings(report))
    assert (alert.kind, alert.check) == (Kind.CHECK_FAILED, "schema")


def test_a_failure_beside_a_check_that_does_not_block_is_a_cause_of_its_own() -> None:
    report = RunReport(
        "r",
        "otc_weekly",
        False,
        failures={WEEK: "disk full"},
        failed_checks=(check("otc_raw", "rejects"),),
    )
    assert [alert.kind for alert in alerts_of(run_report.findings(report))] == [
        Kind.CHECK_FAILED,
        Kind.RUN_FAILED,
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


def test_what_was_told_is_news_again_only_after_it_was_well() -> None:
    told = Told()
    told.add([failed(WEEK)])
    assert told.news([failed(WEEK)]) == []
    assert told.news([failed(WEEK, "something else")])
    told.forget({str(WEEK)})
    assert told.news([failed(WEEK)])
    told.add([failed(WEEK)])
    told.keep([])
    assert told.items == {}


def test_one_thing_is_news_once_however_often_it_is_found() -> None:
    assert Told().news([failed(WEEK), failed(WEEK)]) == [failed(WEEK)]


def test_memory_comes_back_as_it_was_and_is_small() -> None:
    memory = Memory(7, looked_at="x")
    memory.runs.add([failed(week) for week in HISTORY])
    memory.standing.add(standing.unusable_files([Unusable("a.csv", "is empty")]))
    alert = Alert(Kind.RUN_FAILED, "x", "spine status", (WEEK,), numbers={"n": 1.5}, run_id="r")
    memory.waiting = [Waiting(alert, ["mail"], 3)]
    text = memory.as_json()
    assert Memory.from_json(text) == memory
    assert len(text) < 700


def test_memory_is_bounded_whatever_happens() -> None:
    memory = Memory(1)
    for n in range(1_000):
        said = "".join(chr(97 + int(digit)) for digit in str(n))
        memory.runs.add([failed(WEEK, said)])
    names = [Unusable(f"{n}.csv", "is empty") for n in range(5_000)]
    memory.standing.add(standing.unusable_files(names))
    assert len(memory.as_json()) < 20_000


@pytest.mark.parametrize("text", [None, "", "{}", "[]", "nonsense", '{"version":1}'])
def test_a_text_that_is_no_memory_is_none(text: str | None) -> None:
    assert Memory.from_json(text) is None


def test_memory_of_another_version_is_none() -> None:
    facts = json.loads(Memory(7).as_json())
    assert Memory.from_json(json.dumps(facts | {"version": 99})) is None


def test_a_file_that_is_still_being_written_is_no_cause() -> None:
    items = [Unusable("a.csv", STILL_WRITTEN), Unusable("b.csv", "is empty")]
    assert [item.thing for item in standing.unusable_files(items)] == ["b.csv"]
