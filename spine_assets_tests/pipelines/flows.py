"""Pipelines of tests: declared as text, run by Dagster as a code location would run them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from spine_assets.core.tags import PARTITION
from spine_assets.defs.logs import console
from spine_assets.orchestration.components.pipeline_job import job_of
from spine_assets.orchestration.components.table_assets import assets_of
from spine_assets.pipelines.yaml.model import Declaration
from spine_assets.pipelines.yaml.pipeline import DeclaredPipeline, of_all_tenants
from spine_assets.pipelines.yaml.validation import checked
from spine_assets_tests.pipelines.acting import notes

FLOW = "SPINE_TESTS_FLOW"
"""Environment variable that names the YAML file of the flow, for processes of its steps."""


def pipelines_of(text: str) -> tuple[DeclaredPipeline, ...]:
    """The pipelines of a text of YAML, which holds the attributes alone."""
    return of_all_tenants(checked(Declaration.model_validate(yaml.safe_load(text))))


def flow() -> dg.JobDefinition:
    """The job of the flow: Dagster's processes of steps make it again."""
    return job_of(pipelines_of(Path(os.environ[FLOW]).read_text())[0])


@dataclass(frozen=True)
class Flows:
    """Runs flows against one instance.

    Attributes:
        root: The data folder.
        diary: File to which steps of `test.act` write.
    """

    root: Path
    instance: dg.DagsterInstance

    @property
    def diary(self) -> Path:
        return self.root / "diary.jsonl"

    def lines(self, step: str, key: str = "begun") -> list[dict[str, Any]]:
        """What a step noted."""
        found = notes(self.diary)
        return [line for line in found if line["step"] == step and key in line]

    def declare(self, text: str) -> None:
        """Write the flow; `DIARY` stands for the diary."""
        target = self.root / "flow.yaml"
        target.write_text(text.replace("DIARY", str(self.diary)))
        os.environ[FLOW] = str(target)

    def run(
        self, text: str, week: date | None = None, tags: Mapping[str, str] | None = None
    ) -> Ran:
        """Declare and run to the end."""
        self.declare(text)
        return self.again(week, tags)

    def again(self, week: date | None = None, tags: Mapping[str, str] | None = None) -> Ran:
        """Run what is declared."""
        given = {**(tags or {}), **({PARTITION: str(week)} if week else {})}
        result = dg.execute_job(
            dg.reconstructable(flow), instance=self.instance, tags=given, raise_on_error=False
        )
        return Ran(self.instance, result.run_id)

    def materialize(self, text: str, *weeks: date, **more: Any) -> dg.ExecuteInProcessResult:
        """Make the tables of a flow as assets: of one week, or of a range of weeks."""
        self.declare(text)
        found = assets_of(pipelines_of(Path(os.environ[FLOW]).read_text())[0])
        assert found is not None
        definitions = dg.Definitions(assets=[found], loggers={"console": console})
        tags = {}
        if len(weeks) > 1:
            tags = {
                "dagster/asset_partition_range_start": str(min(weeks)),
                "dagster/asset_partition_range_end": str(max(weeks)),
            }
        return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            partition_key=str(weeks[0]) if len(weeks) == 1 else None,
            tags=tags,
            raise_on_error=False,
            **more,
        )


@dataclass(frozen=True)
class Ran:
    """A run that has ended."""

    instance: dg.DagsterInstance
    run_id: str

    @property
    def run(self) -> dg.DagsterRun:
        found = self.instance.get_run_by_id(self.run_id)
        assert found is not None
        return found

    @property
    def success(self) -> bool:
        return self.run.status is dg.DagsterRunStatus.SUCCESS

    def events(self, kind: dg.DagsterEventType) -> list[dg.DagsterEvent]:
        """Its events of a kind, in order."""
        found = self.instance.all_logs(self.run_id, of_type=kind)
        return [entry.dagster_event for entry in found if entry.dagster_event is not None]

    @property
    def told(self) -> dict[str, dict[str, Any]]:
        """The metadata of the outcome of each step that ran."""
        return {
            str(event.step_key): {
                name: item.value for name, item in event.step_output_data.metadata.items()
            }
            for event in self.events(dg.DagsterEventType.STEP_OUTPUT)
        }

    @property
    def statuses(self) -> dict[str, str]:
        """How each step ended."""
        return {step: str(told["status"]) for step, told in self.told.items()}

    @property
    def failed_steps(self) -> set[str]:
        """Steps that Dagster marks as failed."""
        return {str(event.step_key) for event in self.events(dg.DagsterEventType.STEP_FAILURE)}
