"""What is asked of a launcher whose runs are elsewhere, and what every run is given.

Belongs here: the interface, run ids, configuration and tags. Does not belong here: a launcher.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import dagster as dg

from spine_assets.core.tags import week_tags
from spine_assets.orchestration.run_config import LOGGED
from spine_assets.pipelines.catalog import RunPlan


class RemoteLauncher(Protocol):
    """Starts runs that other processes execute.

    Attributes:
        instance: Where the runs are recorded.
        started_as: What a person is told of a run that was started, before its id.
    """

    instance: dg.DagsterInstance
    started_as: str

    def launch(self, job: str, plan: RunPlan, tags: Mapping[str, str], run_id: str) -> None:
        """Start one run."""
        ...

    def is_lost(self, run: dg.DagsterRun) -> bool:
        """Whether nothing runs it any more, which is recorded then."""
        ...

    def give_up(self, run_ids: Sequence[str]) -> None:
        """The user waits no longer."""
        ...


def new_run_id() -> str:
    """An id for a run that is about to be started, so that it can be followed from the start."""
    return str(uuid.uuid4())


def config_of(plan: RunPlan, log_level: str | None = None) -> dict[str, Any]:
    """Run config: the pipeline's own, and our console logger."""
    logged: dict[str, Any] = {"loggers": {"console": {"config": {}}}}
    if log_level is not None:
        logged["loggers"]["console"]["config"]["level"] = log_level
    return {**LOGGED, **logged, **plan.run_config}


def tags_of(plan: RunPlan, tags: Mapping[str, str]) -> dict[str, str]:
    """Tags of a run, with those that name its weeks."""
    if plan.first is None or plan.last is None:
        return {**tags, **plan.tags}
    return {**tags, **plan.tags, **week_tags(str(plan.first), str(plan.last))}
