"""Pipelines as Dagster runs them: triggers, conditions, retries, what is recorded."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import pytest

from spine_assets_tests.conftest import WEEK, House, delivered, line
from spine_assets_tests.pipelines.flows import Flows

TABLE = """
    source:
      query: >
        SELECT symbol, total_volume FROM otc_symbol_summary WHERE week_ending = {week_ending}
    destination:
      table: volumes
      description: Volume by symbol.
      grain: a symbol a week
      key: [symbol]
      columns:
        - {name: symbol, type: VARCHAR, description: Ticker.}
        - {name: total_volume, type: "DECIMAL(38,6)", unit: shares, description: All venues.}
"""


def act(step: str, more: str = "", **config: object) -> str:
    """A step that acts."""
    given = "".join(f", {name}: {value}" for name, value in config.items())
    return (
        f"  - step_id: {step}\n    ps_type: test.act\n    config: {{diary: DIARY{given}}}\n"
        + "".join(f"    {text}\n" for text in more.split("\n") if text)
    )


def flow(*steps: str, weekly: bool = False) -> str:
    """A pipeline of such steps."""
    kind = "weekly" if weekly else "none"
    return f"pipeline_id: flow\ndescription: A flow.\npartitions: {kind}\nsteps:\n{''.join(steps)}"


def test_steps_run_in_their_order_and_tell_what_they_did(flows: Flows) -> None:
    steps = flow(act("first", rows=7, says="'{pipeline_id} {date}'"), act("second"))
    ran = flows.run(steps, tags={"spine/date": "2025-11-30"})
    assert ran.success
    assert ran.statuses == {"first": "SUCCESS", "second": "SUCCESS"}
    assert ran.told["first"]["rows_processed"] == 7
    assert ran.told["first"]["result"] == {"says": "flow 2025-11-30"}
    (first,), (second,) = flows.lines("first", "ended"), flows.lines("second")
    assert first["ended"] <= second["begun"]
    assert ran.run.tags["spine/pipeline"] == "flow"
    assert ran.run.tags["dagster/max_runtime"] == str(2 * 30 * 60 + 3600)


def test_after_a_failure_only_those_run_that_want_to(flows: Flows) -> None:
    ran = flows.run(
        flow(
            act("bad", fails="engine"),
            act("next"),
            act("after_next"),
            act("cleanup", "trigger: always", says="'{failed_steps}'"),
            act("tell", "trigger: on_failure\ndepends_on: [after_next]", says="'{error}'"),
            act("told", "depends_on: [tell]"),
        )
    )
    assert not ran.success
    assert ran.failed_steps == {"bad"}
    assert ran.statuses == {
        "bad": "FAILED",
        "next": "SKIPPED",
        "after_next": "SKIPPED",
        "cleanup": "SUCCESS",
        "tell": "SUCCESS",
        "told": "SUCCESS",
    }
    (told,) = flows.lines("tell")
    assert told["says"] == "bad: EngineExecutionError: bad cannot"
    assert told["status"] == "FAILED"
    assert flows.lines("cleanup")[0]["says"] == "bad"
    assert not flows.lines("next")
    assert ran.told["next"]["reason"] == "bad failed"
    assert ran.told["after_next"]["reason"] == "next was skipped"


def test_without_a_failure_what_waits_for_one_is_skipped(flows: Flows) -> None:
    ran = flows.run(
        flow(act("good"), act("tell", "trigger: on_failure"), act("end", "trigger: always"))
    )
    assert ran.success
    assert ran.statuses == {"good": "SUCCESS", "tell": "SKIPPED", "end": "SUCCESS"}
    assert not flows.lines("tell")


@pytest.mark.long
def test_only_named_errors_are_tried_again(flows: Flows) -> None:
    retry = "retry: {max_attempts: 3, retry_on: [Busy], wait_seconds: 0, backoff_multiplier: 1}"
    ran = flows.run(
        flow(
            act("heals", retry, fails="busy", times=2),
            act("never", f"{retry}\ndepends_on: []", fails="busy"),
            act("other", f"{retry}\ndepends_on: []", fails="transient"),
        )
    )
    assert ran.statuses == {"heals": "SUCCESS", "never": "FAILED", "other": "FAILED"}
    tries = {step: len(flows.lines(step)) for step in ("heals", "never", "other")}
    assert tries == {"heals": 3, "never": 3, "other": 1}
    assert ran.told["heals"]["attempts"] == 3
    assert len(ran.events(dg.DagsterEventType.STEP_UP_FOR_RETRY)) == 4


@pytest.mark.long
def test_a_step_whose_time_is_over_is_ended_and_marked(flows: Flows) -> None:
    ran = flows.run(
        flow(
            act("slow", "timeout_minutes: 0.05", seconds=60),
            act("tell", "trigger: on_failure", says="'{error}'"),
        )
    )
    assert ran.failed_steps == {"slow"}
    (told,) = flows.lines("tell")
    assert "slow: StepTimeout: timeout_minutes (0.05) are over" in str(told["says"])
    assert not flows.lines("slow", "ended")


@pytest.mark.long
def test_a_step_whose_process_is_killed_fails_alone(flows: Flows) -> None:
    ran = flows.run(flow(act("bad", fails="killed"), act("tell", "trigger: on_failure")))
    assert ran.statuses == {"bad": "FAILED", "tell": "SUCCESS"}
    assert "killed by signal 9" in str(ran.told["bad"]["reason"])


@pytest.mark.parametrize(
    ("rows", "ends"), [pytest.param(5, "SUCCESS", marks=pytest.mark.long), (4, "SKIPPED")]
)
def test_a_condition_on_rows(flows: Flows, rows: int, ends: str) -> None:
    ran = flows.run(
        flow(
            act("count", rows=rows),
            act("between"),
            act("tell", 'when: {step_id: count, rows: "> 4"}'),
        )
    )
    assert ran.success
    assert ran.statuses["tell"] == ends


def test_a_table_step_builds_its_week_and_tells_dagster(house: House, flows: Flows) -> None:
    house.drop(f"week_ending={WEEK}/otc.csv", delivered(line("AAAA"), line("BBBB", shares="5")))
    house.built()
    steps = f"  - step_id: volumes\n    ps_type: duckdb.sql{TABLE}"
    ran = flows.run(
        flow(steps, act("tell", 'when: {step_id: volumes, rows: "== 2"}'), weekly=True), WEEK
    )
    assert ran.success, ran.told
    assert ran.statuses == {"volumes": "SUCCESS", "tell": "SUCCESS"}
    (made,) = ran.events(dg.DagsterEventType.ASSET_MATERIALIZATION)
    found = made.step_materialization_data.materialization
    assert (found.asset_key.to_user_string(), found.partition) == ("volumes", str(WEEK))
    assert found.metadata["dagster/partition_row_count"].value == 2
    checks = ran.events(dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    assert [item.asset_check_evaluation_data.passed for item in checks] == [True]
    assert house.lake.read(house.lake.part("volumes", WEEK))["symbol"].to_list() == ["AAAA", "BBBB"]


def test_a_week_that_is_not_there_fails_and_says_what_builds_it(flows: Flows) -> None:
    ran = flows.run(
        flow(f"  - step_id: volumes\n    ps_type: duckdb.sql{TABLE}", weekly=True), WEEK
    )
    assert not ran.success
    said = str(ran.told["volumes"]["reason"])
    assert f"week {WEEK} of otc_symbol_summary is missing" in said
    assert f"spine backfill {WEEK}" in said


def test_a_condition_on_a_check_of_a_shared_table(house: House, flows: Flows) -> None:
    asked = flow(
        act("told", "when: {check: otc_venue_share.schema}"),
        act("not_told", "depends_on: []\nwhen: {check: otc_venue_share.schema, outcome: failed}"),
        weekly=True,
    )
    ran = flows.run(asked, WEEK)
    assert ran.failed_steps == {"told", "not_told"}  # there is no outcome to go by
    assert "has no outcome for week 2025-11-21" in str(ran.told["told"]["reason"])
    flows.instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("otc_venue_share"),
            check_name="schema",
            passed=True,
            partition=str(WEEK),
            metadata={},
        )
    )
    assert flows.again(WEEK).statuses == {"told": "SUCCESS", "not_told": "SKIPPED"}
    assert flows.again(WEEK - timedelta(days=7)).failed_steps == {"told", "not_told"}


@pytest.mark.long
def test_reexecution_from_failure_runs_what_was_skipped(flows: Flows) -> None:
    healed = flows.root / "healed"
    bad = act("bad", fails="engine", healed=healed)
    ran = flows.run(flow(act("good"), bad, act("next")))
    assert ran.statuses == {"good": "SUCCESS", "bad": "FAILED", "next": "SKIPPED"}
    healed.touch()
    from spine_assets_tests.pipelines import flows as module

    again = dg.execute_job(
        dg.reconstructable(module.flow),
        instance=flows.instance,
        reexecution_options=dg.ReexecutionOptions.from_failure(ran.run_id, flows.instance),
        raise_on_error=False,
    )
    assert again.success
    assert len(flows.lines("good")) == 1
    assert len(flows.lines("next")) == 1
