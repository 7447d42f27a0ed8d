"""The job of a pipeline: its steps as ops, in their order."""

import dagster as dg

from spine_assets.components.step_ops import OUTCOME, input_name, op_name, op_of
from spine_assets.components.turns import executor_of
from spine_assets.declarative.pipeline import DeclaredPipeline
from spine_assets.defs.logs import LOGGED
from spine_assets.defs.partitions import WEEKS
from spine_assets.tags import LANE, ONCE, PIPELINE, TENANT, Lane


def job_of(pipeline: DeclaredPipeline) -> dg.JobDefinition:
    """All steps of a pipeline; runs of one partition take turns."""
    wired = {
        dg.NodeInvocation(op_name(pipeline, step), alias=step.step_id): {
            input_name(name): dg.DependencyDefinition(name, OUTCOME)
            for name in pipeline.depends[step.step_id]
        }
        for step in pipeline.steps
    }
    graph = dg.GraphDefinition(
        name=pipeline.name,
        description=pipeline.description,
        node_defs=[op_of(pipeline, step) for step in pipeline.steps],
        dependencies=wired,
    )
    return graph.to_job(
        name=pipeline.name,
        description=pipeline.description,
        partitions_def=WEEKS if pipeline.is_weekly else None,
        executor_def=executor_of(pipeline),
        config=LOGGED,
        tags=tags_of(pipeline),
    )


def tags_of(pipeline: DeclaredPipeline) -> dict[str, str]:
    """What each run of it says of itself, whoever starts it."""
    return {
        PIPELINE: pipeline.pipeline_id,
        LANE: Lane.NORMAL.value,
        **({TENANT: pipeline.tenant_id} if pipeline.tenant_id else {}),
        # Runs of a week take turns by their partition; those of no week by this.
        **({} if pipeline.is_weekly else {ONCE: pipeline.pipeline_id}),
    }
