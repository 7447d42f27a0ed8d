"""However a step's work ends, the steps that run on failure are told, and nothing is left."""

from __future__ import annotations

import sqlite3
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from spine_assets.orchestration.components.pipeline_job import longest_seconds
from spine_assets.orchestration.components.step_run import run_date_of
from spine_assets_tests.pipelines.flows import Flows, pipelines_of
from spine_assets_tests.pipelines.flows import flow as declared_job
from spine_assets_tests.pipelines.steps.test_worker_process import until
from spine_assets_tests.pipelines.test_runs import act, flow

_MOST_KEPT = 20_000  # characters; an error is cut at half of it


def made(step: str, function: str, more: str = "") -> str:
    """A step of a function."""
    return f"""
  - step_id: {step}
    ps_type: polars.python
    source: {{tables: [otc_pins]}}
    config: {{function: "spine_assets_tests.pipelines.functions:{function}"}}
    {more}
    destination:
      table: twice
      description: Twice.
      grain: a symbol
      key: [symbol]
      columns:
        - {{name: symbol, type: VARCHAR, description: Ticker.}}
        - {{name: twice, type: DOUBLE, description: Twice.}}
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("exits", "SystemExit: 0"),
        ("interrupted", "KeyboardInterrupt"),
        ("panics", "PanicException: "),
        ("mute", "Mute: its text cannot be read: RuntimeError"),
        ("long", "... (1,000,000 characters)"),
    ],
)
def test_steps_on_failure_are_told_of_any_end(flows: Flows, step: str, said: str) -> None:
    tell = act("tell", f"trigger: on_failure\ndepends_on: [{step}]", says="'{error}'")
    ran = flows.run(flow(made(step, "fails_oddly"), tell))
    assert ran.statuses == {step: "FAILED", "tell": "SUCCESS"}
    (told,) = flows.lines("tell")
    assert said in str(told["says"])
    assert len(str(told["says"])) < _MOST_KEPT


@pytest.mark.long
@pytest.mark.parametrize(
    ("step", "more", "status"),
    [("returns", "", "SUCCESS"), ("waits", "timeout_minutes: 0.2", "FAILED")],
)
def test_what_a_function_starts_ends_with_its_step(
    flows: Flows, capfd: pytest.CaptureFixture[str], step: str, more: str, status: str
) -> None:
    ran = flows.run(flow(made(step, "leaves_a_child", more)))
    assert ran.statuses == {step: status}
    pid = int((flows.root / "child.pid").read_text())
    until(lambda: not _lives(pid))
    assert "printed by a function" not in capfd.readouterr().out


def _lives(pid: int) -> bool:
    """Whether a process runs; one that nobody has asked for its end is none."""
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_day_of_a_run_is_that_of_its_creation(flows: Flows) -> None:
    flows.declare(flow(act("one")))
    run = flows.instance.create_run_for_job(declared_job())
    stored = flows.root / "instance" / "history" / "runs.db"
    found = stored if stored.exists() else next(flows.root.rglob("runs.db"))
    with sqlite3.connect(found) as connection:
        connection.execute("UPDATE runs SET create_timestamp = '2025-11-30 23:59:59'")
    assert run_date_of(run, flows.instance) == date(2025, 11, 30)


def test_a_run_may_take_as_long_as_its_steps_may(flows: Flows) -> None:
    retry = "retry: {max_attempts: 3, retry_on: [Busy], wait_seconds: 10}"
    text = flow(act("one", "timeout_minutes: 120"), act("two", f"timeout_minutes: 1\n{retry}"))
    (pipeline,) = pipelines_of(text)
    assert longest_seconds(pipeline) == 3_600 + 7_200 + 3 * 60 + 10 + 20
    flows.declare(text)
    assert declared_job().tags["dagster/max_runtime"] == str(longest_seconds(pipeline))


def test_checks_without_their_table_say_that_they_cannot_be_made(flows: Flows) -> None:
    selection = [dg.AssetCheckKey(dg.AssetKey("twice"), "schema")]
    text = flow(made("step", "doubled"))
    flows.declare(text)
    from spine_assets.orchestration.components.table_assets import assets_of

    assets = assets_of(pipelines_of((flows.root / "flow.yaml").read_text())[0])
    assert assets is not None
    result = dg.materialize(
        [assets],
        selection=dg.AssetSelection.checks(*selection),
        instance=flows.instance,
        raise_on_error=False,
    )
    assert not result.success
    (failure,) = result.get_step_failure_events()
    assert "only together with their table" in str(failure.step_failure_data.user_failure_data)


def test_a_step_may_be_named_tables(flows: Flows) -> None:
    flows.declare(flow(made("tables", "doubled")))
    from spine_assets.orchestration.components.table_assets import assets_of

    assets = assets_of(pipelines_of((flows.root / "flow.yaml").read_text())[0])
    assert assets is not None
    dg.Definitions.validate_loadable(dg.Definitions(assets=[assets], jobs=[declared_job()]))
