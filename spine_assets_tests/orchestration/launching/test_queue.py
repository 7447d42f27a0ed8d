"""The queue of a daemon, as far as no daemon is needed."""

from __future__ import annotations

import dagster as dg

from spine_assets.orchestration.launching.queue import Queue


@dg.job
def some_job() -> None:
    """Nothing."""


def test_runs_of_the_queue_are_left_to_the_daemon() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(some_job, status=dg.DagsterRunStatus.STARTED)
        queue = Queue(instance, None)
        assert not queue.is_lost(run)
        queue.give_up([run.run_id])
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        assert found.status is dg.DagsterRunStatus.STARTED
