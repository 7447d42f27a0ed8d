"""The job of a pipeline: its steps as ops, in their order."""

import math

import dagster as dg

from spine_assets.core.tags import LANE, MAX_RUNTIME, ONCE, PIPELINE, TENANT, Lane
from spine_assets.orchestration.components.partition_lock import executor_of
from spine_assets.orchestration.components.step_ops import OUTCOME, input_name, op_name, op_of
from spine_assets.orchestration.partitions import our_weeks
from spine_assets.orchestration.run_config import LOGGED
from spine_assets.pipelines.yaml.pipeline import DeclaredPipeline

_SECONDS_A_MINUTE = 60
_WAITING_SECONDS = 3_600  # for locks, as long as other runs may take


def job_of(pipeline: DeclaredPipeline) -> dg.JobDefinition:
    """All steps of a pipeline; of each partition one run at a time."""
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
        partitions_def=our_weeks() if pipeline.is_weekly else None,
        executor_def=executor_of(pipeline),
        config=LOGGED,
        tags=tags_of(pipeline),
    )


def longest_seconds(pipeline: DeclaredPipeline) -> int:
    """Seconds that a run may take: the limits of its steps in a row, and an hour more.

    Dagster's limit for all runs would end a step before its `timeout_minutes`.
    """
    seconds = float(_WAITING_SECONDS)
    for step in pipeline.steps:
        retry = step.retry
        tries = retry.max_attempts if retry else 1
        seconds += tries * step.timeout_minutes * _SECONDS_A_MINUTE
        if retry:
            waits = (retry.backoff_multiplier**number for number in range(tries - 1))
            seconds += retry.wait_seconds * sum(waits)
    return math.ceil(seconds)


def tags_of(pipeline: DeclaredPipeline) -> dict[str, str]:
    """Tags of each of its runs, whoever starts them."""
    return {
        PIPELINE: pipeline.pipeline_id,
        LANE: Lane.NORMAL.value,
        MAX_RUNTIME: str(longest_seconds(pipeline)),
        **({TENANT: pipeline.tenant_id} if pipeline.tenant_id else {}),
        # The queue limits runs of a week by their partition, and runs without weeks by this tag.
        **({} if pipeline.is_weekly else {ONCE: pipeline.pipeline_id}),
    }
