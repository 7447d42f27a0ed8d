"""Dagster's own SQLite storage, opened by one process at a time.

Dagster (tried on 1.13.27) makes and stamps its run and schedule databases with no lock and no
retry, so of several first runs at once some end with `UNIQUE constraint failed:
alembic_version.version_num`, and may leave a history that no later run can open (`Version
table 'alembic_version' has more than one head present`).
Opening takes milliseconds once the databases are made. Belongs here: that lock alone, since
the class below is not public.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from filelock import FileLock

if TYPE_CHECKING:
    from dagster._serdes import ConfigurableClassData


class LockedSqliteStorage(DagsterSqliteStorage):
    """Runs, events and schedules in SQLite files below `base_dir`."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> Self:
        """Open the storage as `dagster.yaml` configures it, making it where it is missing."""
        base = Path(config_value["base_dir"])
        base.mkdir(parents=True, exist_ok=True)
        with FileLock(base / ".opening.lock"):
            return cls(str(base), inst_data=inst_data)
