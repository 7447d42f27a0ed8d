"""What launchers share: an interface, and a run's id, configuration and tags."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import dagster as dg

from spine_assets.core.tags import week_tags
from spine_assets.pipelines.catalog import RunPlan


class RemoteLauncher(Protocol):
    """Starts runs that other processes execute.

    Attributes:
        instance: Where the runs are recorded.
        started_as: How the run was started, printed before its id.
    """

    instance: dg.DagsterInstance
    started_as: str

    def launch(self, job: str, plan: RunPlan, tags: Mapping[str, str], run_id: str) -> None:
        """Start one run."""
        ...

    def is_lost(self, run: dg.DagsterRun) -> bool:
        """Whether no process executes the run any more; the run is then recorded as failed."""
        ...

    def give_up(self, run_ids: Sequence[str]) -> None:
        """The user does not wait any longer."""
        ...


def new_run_id() -> str:
    """The id of a new run, known before its start so that the run can be followed."""
    return str(uuid.uuid4())


def config_of(plan: RunPlan, log_level: str | None = None) -> dict[str, Any]:
    """Run config: the pipeline's own, and our console logger."""
    level = {} if log_level is None else {"level": log_level}
    return {"loggers": {"console": {"config": level}}, **plan.run_config}


def tags_of(plan: RunPlan, tags: Mapping[str, str]) -> dict[str, str]:
    """Tags of a run, with those that name its weeks."""
    if plan.first is None or plan.last is None:
        return {**tags, **plan.tags}
    return {**tags, **plan.tags, **week_tags(str(plan.first), str(plan.last))}
