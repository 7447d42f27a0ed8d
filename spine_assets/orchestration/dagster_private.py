"""Every name that we use and that Dagster does not make public, with the reason for its use.

Dagster may change these names in any release, so an upgrade begins here: `test_architecture.py`
imports each of them, and allows no other module to import a private name. All were tried on
dagster 1.13.27 with dagster-celery and dagster-postgres 0.29.27.

Names that `import dagster` loads in any case are imported at once. Those in `_LOADED_ON_USE` are
imported when a module asks for them, because their modules take a second or more to load (the
event log, the command line, the daemon) or come with the extra `cluster`, which is optional.
Belongs here: names and reasons. Does not belong here: code that uses them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Raised where the history cannot be opened.
from dagster._check import CheckError

# Which materialization an evaluation of a check is about; `dg.AssetCheckEvaluation` takes one.
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

# A job run by its own executor under our run id, as `dagster job execute` runs it;
# `execute_in_process` ignores the executor.
from dagster._core.definitions.reconstruct import ReconstructableRepository

# What an engine event holds: our progress is metadata of one, and a record of the log carries an
# event under this attribute. The public log has no way to write metadata.
from dagster._core.events import EngineEventData
from dagster._core.execution.api import execute_run

# The filter of `get_backfills`: which runs an unfinished backfill still counts.
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

# Type of what a public event holds of a failed step.
from dagster._core.execution.plan.objects import StepFailureData

# What a launcher reports about the worker of a run.
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.log_manager import LOG_RECORD_EVENT_ATTR

# Whether a sensor is on, and how its last tick ended.
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorType, TickStatus

# Values of a column of the table of check evaluations.
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

# The states of all partitions of an asset, as the UI reads them; the public
# `get_status_by_partition` takes ten times as long over the whole history.
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

# Events as text in the storage's rows, and the configuration of a storage.
from dagster._serdes import ConfigurableClassData, deserialize_value

# Ctrl-C raises Dagster's exception inside a run, which is then recorded as interrupted.
from dagster._utils.interrupts import capture_interrupts

if TYPE_CHECKING:
    from dagster._cli.job import _create_run
    from dagster._cli.workspace.cli_target import (
        get_code_location_from_workspace,
        get_remote_job_from_remote_repo,
        get_remote_repository_from_code_location,
        get_workspace_from_cli_opts,
    )
    from dagster._core.storage.event_log.schema import (
        AssetCheckExecutionsTable,
        SqlEventLogStorageTable,
    )
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
        INDEX_SHARD_NAME,
        SqliteEventLogStorage,
    )
    from dagster._core.storage.runs.schema import RunsTable
    from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
    from dagster._core.storage.sqlite_storage import DagsterSqliteStorage, _event_logs_directory
    from dagster._daemon.controller import get_daemon_statuses
    from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import (
        QueuedRunCoordinatorDaemon,
    )
    from dagster_celery.launcher import CeleryRunLauncher
    from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
    from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
    from dagster_postgres.auth import PgTokenProvider
    from dagster_postgres.utils import get_token_provider_from_config, pg_url_from_config
    from dagster_shared.cli import WorkspaceOpts

_LOADED_ON_USE = {
    # A run of a job in a workspace, recorded and not started, as `dagster job launch` makes it.
    "dagster._cli.job": ("_create_run",),
    "dagster._cli.workspace.cli_target": (
        "get_code_location_from_workspace",
        "get_remote_job_from_remote_repo",
        "get_remote_repository_from_code_location",
        "get_workspace_from_cli_opts",
    ),
    "dagster_shared.cli": ("WorkspaceOpts",),
    # Tables of the storage: one query over many weeks or runs, where Dagster asks for each alone.
    "dagster._core.storage.event_log.schema": (
        "AssetCheckExecutionsTable",
        "SqlEventLogStorageTable",
    ),
    "dagster._core.storage.runs.schema": ("RunsTable",),
    # The storages that ours extend: one process opens them at a time, and events come in batches.
    "dagster._core.storage.event_log.sql_event_log": ("SqlEventLogStorage",),
    "dagster._core.storage.event_log.sqlite.sqlite_event_log": (
        "INDEX_SHARD_NAME",
        "SqliteEventLogStorage",
    ),
    "dagster._core.storage.sqlite": ("SQLITE_BUSY_TIMEOUT_SECONDS",),
    "dagster._core.storage.sqlite_storage": ("DagsterSqliteStorage", "_event_logs_directory"),
    "dagster_postgres": ("DagsterPostgresStorage", "PostgresEventLogStorage"),
    "dagster_postgres.auth": ("PgTokenProvider",),
    "dagster_postgres.utils": ("get_token_provider_from_config", "pg_url_from_config"),
    # Whether the daemon is alive, and the part of it that takes runs from the queue.
    "dagster._daemon.controller": ("get_daemon_statuses",),
    "dagster._daemon.run_coordinator.queued_run_coordinator_daemon": (
        "QueuedRunCoordinatorDaemon",
    ),
    # The launcher that ours extends, and the tag by which it finds the task of a run.
    "dagster_celery.launcher": ("CeleryRunLauncher",),
    "dagster_celery.tags": ("DAGSTER_CELERY_TASK_ID_TAG",),
}

if not TYPE_CHECKING:  # a type checker reads the imports above

    def __getattr__(name: str) -> Any:
        """Import a name of `_LOADED_ON_USE`."""
        for module, names in _LOADED_ON_USE.items():
            if name in names:
                return getattr(import_module(module), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
