"""A pipeline runs once at a time per tenant and partition, whoever starts it.

The run queue's limits (`dagster.yaml`) let a second run wait in the queue, but `spine run` and
`dagster job execute` bypass the queue. So the run's own process holds a lock of the pipeline's
lake, which the operating system frees when the process dies. A second run waits for the lock and
then runs, because there may be newer data than the first one read.

Not public in Dagster, tried on 1.13.27: the fields of executors and of the plan's context, and the
configuration of Dagster's executors, which do all the work.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import date
from typing import Any

import dagster as dg

from spine_assets.core.settings import load_settings
from spine_assets.core.tags import PARTITION
from spine_assets.lake import lock_wait
from spine_assets.lake.names import LockName
from spine_assets.orchestration import run_locks
from spine_assets.pipelines.steps.workspace import Workspace
from spine_assets.pipelines.yaml.pipeline import DeclaredPipeline

_LOOK_SECONDS = 1.0  # between checks whether a waiting run was canceled
_PARALLEL_STEPS = 8  # of a group; they mostly wait for servers, and each is a process
# A step begins when it has the outcomes of what it waits for, also of steps that fail then.
_CONFIG: dict[str, Any] = {
    "retries": {"enabled": {}},
    "step_dependency_config": {"require_upstream_step_success": False},
}

OWN_EXECUTORS = ("in_process_in_turn", "multiprocess_in_turn")
"""Names of the executors of pipelines' jobs."""


def hold_partition(
    pipeline: DeclaredPipeline, week: date | str | None, canceled: Callable[[], bool] | None = None
) -> AbstractContextManager[None]:
    """Hold the lock of a pipeline's partition, so that no other process runs it meanwhile."""
    own = Workspace.of(load_settings(), pipeline.tenant_id).own
    return own.lock_of(LockName.pipeline(pipeline.name, week), canceled)


class LockedExecutor(dg.Executor):
    """One of Dagster's executors, which holds the lock of the run's partition while it runs."""

    def __init__(self, pipeline: DeclaredPipeline, inner: dg.Executor) -> None:
        self._pipeline, self._inner = pipeline, inner

    @property
    def retries(self) -> Any:
        """That of Dagster's executor."""
        return self._inner.retries

    @property
    def step_dependency_config(self) -> Any:
        """That of Dagster's executor."""
        return self._inner.step_dependency_config

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Wait for the lock, then run."""
        run: dg.DagsterRun = plan_context.dagster_run
        run_locks.hold_until_exit(plan_context.instance, run)
        watch = _CancelWatch(plan_context.instance, run, plan_context.log)
        with (
            lock_wait.working_on(f"run {run.run_id}"),
            hold_partition(self._pipeline, run.tags.get(PARTITION), watch.is_canceled),
        ):
            yield from self._inner.execute(plan_context, execution_plan)


class _CancelWatch:
    """Logs once that a run waits for the lock, and notices that it was canceled."""

    def __init__(self, instance: dg.DagsterInstance, run: dg.DagsterRun, log: Any) -> None:
        self._instance, self._run, self._log = instance, run, log
        self._looked = 0.0

    def is_canceled(self) -> bool:
        """Whether to stop waiting."""
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return False
        if not self._looked:
            self._log.info("waits for another run of this pipeline and partition")
        self._looked = now
        found = self._instance.get_run_by_id(self._run.run_id)
        return found is None or found.status is dg.DagsterRunStatus.CANCELING


def executor_of(pipeline: DeclaredPipeline) -> dg.ExecutorDefinition:
    """In one process; in several where steps run at the same time."""
    inner = dg.multiprocess_executor if pipeline.is_parallel else dg.in_process_executor
    name = OWN_EXECUTORS[1] if pipeline.is_parallel else OWN_EXECUTORS[0]
    config = {**_CONFIG, **({"max_concurrent": _PARALLEL_STEPS} if pipeline.is_parallel else {})}
    needs = dg.multiple_process_executor_requirements() if pipeline.is_parallel else None

    @dg.executor(name=name, requirements=needs)
    def in_turn(init_context: dg.InitExecutorContext) -> dg.Executor:
        context = dg.InitExecutorContext(
            job=init_context.job,
            executor_def=inner,
            executor_config=config,
            instance=init_context.instance,
        )
        made = inner.executor_creation_fn
        assert made is not None  # noqa: S101 - both of Dagster's have one
        return LockedExecutor(pipeline, made(context))

    return in_turn
