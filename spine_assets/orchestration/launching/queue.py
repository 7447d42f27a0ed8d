"""The queue of a running daemon, which starts a run when the queue's limits allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from spine_assets.core.project_root import project_root
from spine_assets.orchestration import dagster_private as private
from spine_assets.orchestration.launching.base import config_of, tags_of
from spine_assets.pipelines.catalog import CannotLaunch, RunPlan

NO_WORKSPACE: Any = None
"""Where neither the queue nor Celery's launcher looks: a run has the origin of its job."""

_MODULE, _DEFINITIONS = "spine_assets.definitions", "defs"


@dataclass(frozen=True)
class CodeLocation:
    """The code whose jobs other processes run.

    Attributes:
        name: What `workspace.yaml`, and so the daemon, calls it.
        root: The folder of `workspace.yaml`.
        definitions: Loads its definitions, which takes a second or more.
    """

    name: str
    root: Path
    definitions: Callable[[], dg.Definitions]

    def create_run(
        self,
        instance: dg.DagsterInstance,
        job: str,
        plan: RunPlan,
        tags: Mapping[str, str],
        run_id: str,
    ) -> dg.DagsterRun:
        """A run of one of its jobs, recorded and not started.

        `dagster job launch` records the same, but starts a code server for it, which loads
        the definitions in a process of its own.
        """
        definition = self.definitions().resolve_job_def(job)
        module = private.ReconstructableRepository.for_module(_MODULE, _DEFINITIONS, str(self.root))
        repository = private.RemoteRepositoryOrigin(
            private.RegisteredCodeLocationOrigin(self.name), private.REPOSITORY_NAME
        )
        run: dg.DagsterRun = instance.create_run_for_job(
            job_def=definition,
            run_id=run_id,
            run_config=config_of(plan),
            tags={**definition.tags, **tags_of(plan, tags)},
            remote_job_origin=repository.get_job_origin(job),
            job_code_origin=module.get_reconstructable_job(job).get_python_origin(),
        )
        return run


class Queue:
    """Puts runs into the queue of the daemon that works on this instance."""

    started_as = "queued as run"

    def __init__(self, instance: dg.DagsterInstance, code: CodeLocation) -> None:
        self.instance = instance
        self._code = code

    def launch(self, job: str, plan: RunPlan, tags: Mapping[str, str], run_id: str) -> None:
        """Put a run into the queue."""
        run = self._code.create_run(self.instance, job, plan, tags, run_id)
        self.instance.submit_run(run.run_id, NO_WORKSPACE)

    def is_lost(self, run: dg.DagsterRun) -> bool:
        """Never: the daemon monitors its runs."""
        return False

    def give_up(self, run_ids: Sequence[str]) -> None:
        """Leave the runs to the daemon."""


@contextmanager
def queue(
    instance: dg.DagsterInstance,
    definitions: Callable[[], dg.Definitions],
    root: Path | None = None,
) -> Iterator[Queue]:
    """The queue of a running daemon.

    Raises:
        CannotLaunch: no daemon is running, or there is no workspace here.
    """
    kind = private.QUEUE_DAEMON
    if not instance.get_daemon_statuses([kind])[kind].healthy:
        raise CannotLaunch(
            "no daemon is running, so nothing would take the run from the queue: start one with "
            "spine ui, or leave out --queue to run it in this process"
        )
    yield Queue(instance, code_location(definitions, root))


def code_location(
    definitions: Callable[[], dg.Definitions], root: Path | None = None
) -> CodeLocation:
    """The one code location that `workspace.yaml` of a folder names.

    Raises:
        CannotLaunch: there is no such file, or it does not name exactly one.
    """
    root = root or project_root()
    path = root / "workspace.yaml"
    if not path.exists():
        raise CannotLaunch(f"there is no {path}: spine init writes it")
    try:
        names = _names(yaml.safe_load(path.read_text("utf-8")))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise CannotLaunch(f"{path} is not YAML: {error}") from error
    if len(names) != 1:
        raise CannotLaunch(
            f"{path} must name one code location, with a location_name as in the repository's; "
            f"it names {', '.join(names) or 'none'}"
        )
    return CodeLocation(names[0], root, definitions)


def _names(workspace: object) -> list[str]:
    """The names that a workspace gives its code locations."""
    entries = workspace.get("load_from") if isinstance(workspace, dict) else None
    targets = [
        target
        for entry in (entries if isinstance(entries, list) else [])
        for target in (entry.values() if isinstance(entry, dict) else [])
    ]
    return [str(target["location_name"]) for target in targets if _is_named(target)]


def _is_named(target: object) -> bool:
    return isinstance(target, dict) and "location_name" in target
