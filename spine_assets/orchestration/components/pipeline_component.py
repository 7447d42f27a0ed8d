"""The component `DeclarativePipeline`: YAML -> a job, and assets of the tables that it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

import dagster as dg
from pydantic import BaseModel, ValidationError

from spine_assets.orchestration.components.pipeline_job import job_of
from spine_assets.orchestration.components.scaffolding import PipelineScaffolder
from spine_assets.orchestration.components.start_after import sensor_of
from spine_assets.orchestration.components.table_assets import assets_of
from spine_assets.pipelines.yaml.loader import BadDeclaration, files, read
from spine_assets.pipelines.yaml.model import Declaration
from spine_assets.pipelines.yaml.pipeline import of_all_tenants
from spine_assets.pipelines.yaml.validation import checked

if TYPE_CHECKING:
    from dagster.components import ComponentTypeSpec


@dg.scaffold_with(PipelineScaffolder)
@dataclass
class DeclarativePipeline(dg.Component):
    """A pipeline declared in YAML: steps that make weekly tables, fetch, export and notify."""

    declaration: Declaration

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The schema of `attributes`."""
        return Declaration

    @classmethod
    def get_spec(cls) -> ComponentTypeSpec:
        """Its description for Dagster's tools."""
        return dg.ComponentTypeSpec(description=cls.__doc__, produces=["asset", "job", "sensor"])

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Validate the parts of a declaration against each other.

        Raises:
            BadDeclaration: the problems, with file and line.
        """
        try:
            return cls(checked(cast(Declaration, attributes)))
        except ValidationError as error:
            # Dagster (1.13.27) adds the lines to what its own schema refuses, not to this.
            problems = read(files(context.path)).problems
            raise (BadDeclaration(problems) if problems else error) from None

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """A job per tenant, the assets of its tables, and a sensor for `start_after`."""
        found = of_all_tenants(self.declaration)
        jobs = {pipeline.name: job_of(pipeline) for pipeline in found}
        return dg.Definitions(
            assets=[asset for pipeline in found if (asset := assets_of(pipeline)) is not None],
            jobs=list(jobs.values()),
            sensors=[
                sensor
                for pipeline in found
                if (sensor := sensor_of(pipeline, jobs[pipeline.name])) is not None
            ],
        )
