"""The job of a pipeline: its steps as ops, in their order."""

import dagster as dg

from spine_assets.components.step_ops import OUTCOME, input_name, op_name, op_of
from spine_assets.components.turns import executor_of
from spine_assets.declarative.pipeline import DeclaredPipeline
from spine_assets.defs.logs import LOGGED
from spine_assets.defs.partitions import WEEKS
from spine_assets.tags import LANE, MAX_RUNTIME, ONCE, PIPELINE, TENANT, Lane

_TURN_SECONDS = 3600  # as long as any other run may take, which it might wait for


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
        MAX_RUNTIME: str(longest_seconds(pipeline)),
        **({TENANT: pipeline.tenant_id} if pipeline.tenant_id else {}),
        # Runs of a week take turns by their partition; those of no week by this.
        **({} if pipeline.is_weekly else {ONCE: pipeline.pipeline_id}),
    }


def longest_seconds(pipeline: DeclaredPipeline) -> int:
    """How long a run may take: each step all its tries, and the wait for its turn.

    Without it run monitoring would end a run after an hour, whatever its steps may take.
    """
    steps = sum(
        60 * step.timeout_minutes * (step.retry.max_attempts if step.retry else 1)
        for step in pipeline.steps
    )
    return int(steps) + _TURN_SECONDS
