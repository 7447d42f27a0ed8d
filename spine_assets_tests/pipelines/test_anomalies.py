"""Anomalies that a step's code records, from a run of Dagster to the command that lists them."""

from __future__ import annotations

import json
import re
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spine_assets.orchestration.finished_runs import report
from spine_assets_tests.conftest import WEEK, House, delivered, line
from spine_assets_tests.pipelines.conftest import SOURCE
from spine_assets_tests.pipelines.flows import Flows, Ran
from spine_assets_tests.pipelines.test_tools import Copy
from spine_assets_tests.support.project_copy import copy_code

FUNCTIONS = "spine_assets_tests.pipelines.functions"


def step(function: str, *, more: str = "") -> str:
    """A step whose function makes a table."""
    return f"""  - step_id: volumes
    ps_type: polars.python
{more}    source: {{tables: [otc_symbol_summary]}}
    config: {{function: "{function}"}}
    destination:
      table: volumes
      description: Volume by symbol.
      grain: a symbol a week
      key: [symbol]
      columns:
        - {{name: symbol, type: VARCHAR, description: Ticker.}}
        - {{name: total_volume, type: "DECIMAL(38,6)", unit: shares, description: All venues.}}
"""


def flow(function: str, *, partitions: str = "weekly", more: str = "") -> str:
    steps = step(function, more=more)
    return f"pipeline_id: flow\ndescription: A flow.\npartitions: {partitions}\nsteps:\n{steps}"


def evaluations(ran: Ran) -> list[dg.AssetCheckEvaluation]:
    """Of the check `anomalies`, in order."""
    events = ran.events(dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [event.asset_check_evaluation_data for event in events]
    return [item for item in found if item.check_name == "anomalies"]


def samples(found: dg.AssetCheckEvaluation) -> list[dict[str, Any]]:
    sample = found.metadata["sample"]
    assert isinstance(sample, dg.TableMetadataValue)
    return [dict(row.data) for row in sample.records]


def example() -> str:
    """The function that the page shows."""
    page = (SOURCE / "docs" / "pipelines.md").read_text()
    (text,) = re.findall(r"```python\n(.*?)```", page, re.S)
    return str(text)


@pytest.fixture
def shown(house: House, monkeypatch: pytest.MonkeyPatch) -> str:
    """That function, in a module that processes can import."""
    (house.root / "shown_on_the_page.py").write_text(example())
    monkeypatch.syspath_prepend(str(house.root))
    return "shown_on_the_page:volumes"


def test_the_function_of_the_page_records_what_it_leaves_out(
    house: House, flows: Flows, shown: str
) -> None:
    house.drop(
        f"week_ending={WEEK}/otc.csv",
        delivered(line("AAAA", shares="100"), line("BBBB", shares="0"), line("CCCC", shares="0")),
    )
    house.built()
    ran = flows.run(flow(shown), WEEK)
    assert ran.statuses == {"volumes": "SUCCESS"}
    assert house.lake.read(house.lake.part("volumes", WEEK))["symbol"].to_list() == ["AAAA"]
    (found,) = evaluations(ran)
    assert (found.asset_key.to_user_string(), found.partition) == ("volumes", str(WEEK))
    assert (found.passed, found.severity, found.blocking) == (
        False,
        dg.AssetCheckSeverity.WARN,
        False,
    )
    assert found.metadata["recorded"].value == 2
    assert found.metadata["codes"].value == {"NO_VOLUME": 2}
    assert sorted(samples(found), key=lambda row: str(row["message"])) == [
        {
            "code": "NO_VOLUME",
            "severity": "WARNING",
            "message": f"{symbol} was reported without volume and is left out",
            "context": f'{{"symbol": "{symbol}"}}',
        }
        for symbol in ("BBBB", "CCCC")
    ]


def test_a_recorded_error_fails_no_step_and_is_alerted(loaded: House, flows: Flows) -> None:
    ran = flows.run(flow(f"{FUNCTIONS}:records_an_error"), WEEK)
    assert ran.success
    assert loaded.lake.read(loaded.lake.part("volumes", WEEK)).height == 2
    (found,) = evaluations(ran)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    (alerted,) = report(flows.instance, ran.run, with_built=False).failed_checks
    assert (alerted.week, alerted.table, alerted.check) == (WEEK, "volumes", "anomalies")
    assert alerted.summary == "1 error; WRONG_UNIT: volumes are in lots"


def test_the_next_run_of_the_week_replaces_what_was_recorded(
    loaded: House, flows: Flows, shown: str
) -> None:
    texts = []
    for function in (f"{FUNCTIONS}:records_an_error", shown):  # no symbol is without volume
        made = flows.materialize(flow(function), WEEK)
        (found,) = evaluations(Ran(flows.instance, made.run_id))
        texts.append((found.passed, found.description))
    assert texts == [
        (False, "1 error; WRONG_UNIT: volumes are in lots"),
        (True, "no anomaly recorded"),
    ]


def test_what_was_recorded_before_an_error_is_kept(loaded: House, flows: Flows) -> None:
    ran = flows.run(flow(f"{FUNCTIONS}:records_and_fails"), WEEK)
    assert ran.failed_steps == {"volumes"}
    (found,) = evaluations(ran)
    assert (found.partition, found.description) == (str(WEEK), "1 warning; ODD: seen")
    made = flows.materialize(flow(f"{FUNCTIONS}:records_and_fails"), WEEK)
    assert not made.success
    (found,) = evaluations(Ran(flows.instance, made.run_id))
    assert (found.partition, found.description) == (str(WEEK), "1 warning; ODD: seen")


def test_each_week_of_a_range_has_its_own(loaded: House, flows: Flows) -> None:
    before = date(2025, 11, 14)
    loaded.drop(f"week_ending={before}/otc.csv", delivered(line("AAAA", updated="2025-12-15")))
    loaded.built(week=before)
    made = flows.materialize(flow(f"{FUNCTIONS}:records_its_week"), before, WEEK)
    assert made.success
    found = {
        item.partition: [row["context"] for row in samples(item)]
        for item in evaluations(Ran(flows.instance, made.run_id))
    }
    assert found == {
        str(before): ['{"week": "2025-11-14", "symbols": 1}'],
        str(WEEK): ['{"week": "2025-11-21", "symbols": 2}'],
    }


def test_a_table_without_weeks_has_them_without_a_partition(loaded: House, flows: Flows) -> None:
    (found,) = evaluations(flows.run(flow(f"{FUNCTIONS}:records_an_error", partitions="none")))
    assert found.partition is None
    assert found.description == "1 error; WRONG_UNIT: volumes are in lots"


def test_a_step_without_a_table_has_them_in_its_result(flows: Flows) -> None:
    ran = flows.run(
        "pipeline_id: flow\ndescription: A flow.\npartitions: none\nsteps:\n"
        "  - {step_id: act, ps_type: test.act, config: {diary: DIARY, records: LATE}}\n"
    )
    assert ran.told["act"]["result"]["anomalies"] == [
        {"code": "LATE", "severity": "INFO", "message": "recorded by act", "context": None}
    ]


_DEFS = """type: spine_assets.orchestration.components.DeclarativePipeline
attributes:
  pipeline_id: volumes
  description: Volume by symbol.
  partitions: weekly
  steps:
"""


@pytest.mark.long
def test_the_command_lists_them(tmp_path: Path) -> None:
    """In a copy of the project, with a pipeline of its own."""
    for name in ("pyproject.toml", "dagster.yaml", "workspace.yaml"):
        shutil.copy(SOURCE / name, tmp_path / name)
    copy_code(tmp_path)
    copy = Copy(tmp_path)
    place = copy.pipelines / "volumes"
    place.mkdir(parents=True)
    (place / "mine.py").write_text(example())
    indented = step("spine_assets.defs.pipelines.volumes.mine:volumes").replace("\n", "\n  ")
    (place / "defs.yaml").write_text(f"{_DEFS}  {indented}")
    landing = tmp_path / "data" / "landing" / f"week_ending={WEEK}"
    landing.mkdir(parents=True)
    (landing / "otc.csv").write_bytes(delivered(line("AAAA"), line("BBBB", shares="0")))
    for pipeline in ("otc.weekly", "volumes"):
        done = copy.run("spine", "run", pipeline, "-p", f"week_ending={WEEK}")
        assert done.returncode == 0, done.stdout + done.stderr
    listed = copy.run("spine", "anomalies", "--json")
    (found,) = (
        item for item in json.loads(listed.stdout)["anomalies"] if item["table"] == "volumes"
    )
    assert (found["check"], found["week_ending"], found["severity"]) == (
        "anomalies",
        str(WEEK),
        "WARN",
    )
    assert [row["code"] for row in found["samples"]] == ["NO_VOLUME"]
    printed = copy.run("spine", "anomalies", "--table", "volumes", "--week", str(WEEK)).stdout
    assert "BBBB was reported without volume and is left out" in printed
    refused = copy.run("spine", "anomalies", "--table", "volume")
    assert refused.returncode == 2
    assert "did you mean volumes?" in refused.stderr
