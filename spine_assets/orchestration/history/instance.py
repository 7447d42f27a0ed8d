"""Which Dagster instance is read, and the states of each table's weeks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import dagster as dg

from spine_assets.core.errors import Explained
from spine_assets.core.project_root import NO_PROJECT, project_root
from spine_assets.lake.base import Lake
from spine_assets.orchestration import run_locks
from spine_assets.orchestration.history import storage
from spine_assets.orchestration.history.lake_identity import require_same_lake
from spine_assets.orchestration.partitions import our_weeks
from spine_assets.otc.tables.registry import TABLES

_TEMPORARY = ".tmp_dagster_home_"
"""Prefix of the folder that a command of Dagster makes for its history, and removes at its end."""


class NoInstance(Explained):
    """There is no Dagster storage here to read."""


class NoSuchRun(Explained):
    """No run, or more than one, has that id; the message names the nearest."""


@contextmanager
def open_instance(
    root: Path | None = None, *, of: Lake | None = None
) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance: `DAGSTER_HOME` where it is set, else `dagster.yaml` here or above.

    Runs whose process was killed are recorded as failed first.

    Args:
        root: Folder of `dagster.yaml`; default: the project's.
        of: The lake whose history is wanted.

    Raises:
        NoInstance: there is neither.
        OtherLake: it is the history of another lake.
    """
    with _opened(root or project_root()) as instance:
        run_locks.report_lost(instance)
        if of is not None:
            require_same_lake(instance, of)
        yield instance


@contextmanager
def _opened(root: Path) -> Iterator[dg.DagsterInstance]:
    if os.environ.get("DAGSTER_HOME"):
        with dg.DagsterInstance.get() as instance:
            yield instance
        return
    if not (root / "dagster.yaml").exists():
        raise NoInstance(NO_PROJECT)
    with dg.DagsterInstance.from_config(str(root)) as instance:
        yield instance


def is_temporary(instance: dg.DagsterInstance) -> bool:
    """Whether the history is gone when its process, or the command that began it, ends."""
    if instance.is_ephemeral:
        return True
    stored = instance.get_ref().run_storage_data
    return stored is not None and _TEMPORARY in stored.config_yaml


def table_states(
    instance: dg.DagsterInstance, weeks: list[date]
) -> dict[tuple[str, date], str | None]:
    """By table and week: `materialized`, `failed`, `in_progress`, or None for never."""
    states: dict[tuple[str, date], str | None] = {}
    partitions = our_weeks()
    for table in TABLES:
        found = storage.partitions_by_state(instance, table.name, partitions)
        for week in weeks:
            among = (state for state, keys in found.items() if str(week) in keys)
            states[table.name, week] = next(among, None)
    return states
