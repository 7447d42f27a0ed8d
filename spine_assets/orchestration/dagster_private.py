"""All that we use of Dagster and that Dagster does not make public, with the reason for its use.

Dagster may change it in any release, so an upgrade begins here: names that we import, members of
its classes (`MEMBERS`), and texts that we repeat (`TEXTS`). `test_architecture.py` looks up each of
them, and finds what is used elsewhere and not listed; members of `dg.DagsterInstance` that are not
marked public are listed there. All were tried on dagster 1.13.27 with dagster-celery and
dagster-postgres 0.29.27.

Names are imported when a module asks for them: what Dagster has lost stops only what uses it, and
some modules take a second to load (the event log) or come with the optional extra `cluster`.
Belongs here: names and reasons. Does not belong here: code that uses them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dagster._check import CheckError
    from dagster._cli import dev
    from dagster._core.definitions.asset_checks.asset_check_evaluation import (
        AssetCheckEvaluationTargetMaterializationData,
    )
    from dagster._core.definitions.reconstruct import ReconstructableRepository
    from dagster._core.events import AssetWipedData, EngineEventData
    from dagster._core.execution.api import execute_run
    from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID
    from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
    from dagster._core.log_manager import LOG_RECORD_EVENT_ATTR
    from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
    from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
    from dagster._core.storage.event_log.schema import (
        AssetCheckExecutionsTable,
        AssetEventTagsTable,
        AssetKeyTable,
        SqlEventLogStorageTable,
    )
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
        INDEX_SHARD_NAME,
        SqliteEventLogStorage,
    )
    from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
    from dagster._core.storage.partition_status_cache import (
        AssetStatusCacheValue,
        get_and_update_asset_status_cache_value,
    )
    from dagster._core.storage.root import LocalArtifactStorage
    from dagster._core.storage.runs.schema import RunsTable
    from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
    from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
    from dagster._core.storage.sqlite_storage import DagsterSqliteStorage, _event_logs_directory
    from dagster._serdes import ConfigurableClassData
    from dagster._utils.interrupts import capture_interrupts
    from dagster_celery.launcher import CeleryRunLauncher
    from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
    from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
    from dagster_postgres.auth import PgTokenProvider
    from dagster_postgres.utils import get_token_provider_from_config, pg_url_from_config

FIRST_TRIED, NOT_TRIED = (1, 13, 27), (1, 14)
"""Versions of Dagster from the first on and before the second, as in pyproject.toml."""

_NAMES = {
    # Raised where the history cannot be opened.
    "dagster._check": ("CheckError",),
    # `dagster dev`, whose web server `spine ui` replaces by one behind a guard; Dagster has no
    # option for it.
    "dagster._cli": ("dev",),
    # Which materialization an evaluation of a check is about; `dg.AssetCheckEvaluation` takes one.
    "dagster._core.definitions.asset_checks.asset_check_evaluation": (
        "AssetCheckEvaluationTargetMaterializationData",
    ),
    # A job run by its own executor under our run id, as `dagster job execute` runs it;
    # `execute_in_process` ignores the executor, and `dg.execute_job` takes no run id.
    "dagster._core.definitions.reconstruct": ("ReconstructableRepository",),
    "dagster._core.execution.api": ("execute_run",),
    # What an engine event holds: our progress is metadata of one, and a record of the log carries
    # an event under this attribute. The public log has no way to write metadata.
    # And the event that partitions were wiped, which belongs to no run; Dagster itself wipes whole
    # assets only.
    "dagster._core.events": ("AssetWipedData", "EngineEventData"),
    "dagster._core.log_manager": ("LOG_RECORD_EVENT_ATTR",),
    "dagster._core.instance.utils": ("RUNLESS_JOB_NAME", "RUNLESS_RUN_ID"),
    # Ctrl-C raises Dagster's exception inside a run, which is then recorded as interrupted.
    "dagster._utils.interrupts": ("capture_interrupts",),
    # Where other processes find the job of a run: the names of code location and repository.
    # `dagster job launch` and `dagster-graphql` do without, but each starts a code server, which
    # loads the definitions again: 9 s of CPU more per run, where `spine run --queue` takes 6 in
    # all. They also pass everything through the queue, and Celery's workers take runs without it.
    "dagster._core.remote_origin": ("RegisteredCodeLocationOrigin", "RemoteRepositoryOrigin"),
    # The states of all partitions of an asset, as the UI reads them; the public
    # `get_status_by_partition` takes ten times as long over the whole history.
    "dagster._core.storage.partition_status_cache": (
        "AssetStatusCacheValue",
        "get_and_update_asset_status_cache_value",
    ),
    # Tables of the storage: one query over many weeks or runs, where Dagster asks for each alone.
    "dagster._core.storage.asset_check_execution_record": ("AssetCheckExecutionRecordStatus",),
    "dagster._core.storage.event_log.schema": (
        "AssetCheckExecutionsTable",
        "AssetEventTagsTable",
        "AssetKeyTable",
        "SqlEventLogStorageTable",
    ),
    # The folders of compute logs and artifacts, whose relative paths we anchor.
    "dagster._core.storage.local_compute_log_manager": ("LocalComputeLogManager",),
    "dagster._core.storage.root": ("LocalArtifactStorage",),
    "dagster._core.storage.runs.schema": ("RunsTable",),
    "dagster._core.storage.runs.sql_run_storage": ("SqlRunStorage",),
    # The storages that ours extend: one process opens them at a time, and events come in batches.
    # Without them `storage.opening` opens Dagster's own.
    "dagster._core.storage.event_log.sql_event_log": ("SqlEventLogStorage",),
    "dagster._core.storage.event_log.sqlite.sqlite_event_log": (
        "INDEX_SHARD_NAME",
        "SqliteEventLogStorage",
    ),
    "dagster._core.storage.sqlite": ("SQLITE_BUSY_TIMEOUT_SECONDS",),
    "dagster._core.storage.sqlite_storage": ("DagsterSqliteStorage", "_event_logs_directory"),
    "dagster._serdes": ("ConfigurableClassData",),
    "dagster_postgres": ("DagsterPostgresStorage", "PostgresEventLogStorage"),
    "dagster_postgres.auth": ("PgTokenProvider",),
    "dagster_postgres.utils": ("get_token_provider_from_config", "pg_url_from_config"),
    # What a launcher reports about the worker of a run; the launcher that ours extends, and the
    # tag by which it finds the task of a run.
    "dagster._core.launcher": ("CheckRunHealthResult", "WorkerStatus"),
    "dagster_celery.launcher": ("CeleryRunLauncher",),
    "dagster_celery.tags": ("DAGSTER_CELERY_TASK_ID_TAG",),
}

MEMBERS = {
    "dev": ("dev_command", "open_ipc_subprocess"),
    # An event as a row, and what Dagster derives from it: written for a batch of events at once.
    "SqlEventLogStorage": (
        "_event_to_row",
        "_store_asset_event",
        "_store_asset_event_tags",
        "dispose",
        "has_table",
        "index_connection",  # queries of the log that all runs share
        "store_event",
        "store_event_batch",  # Dagster collects events itself where an environment variable asks
    ),
    # A file for each run and one for all: which there are, where, and how they are made.
    "SqliteEventLogStorage": (
        "_connect",
        "_initdb",
        "conn_string_for_shard",
        "path_for_shard",
    ),
    "PostgresEventLogStorage": ("_connect",),
    "SqlRunStorage": ("connect",),  # queries of the table of runs
    # Made from `dagster.yaml`.
    "DagsterSqliteStorage": ("config_type", "from_config_value"),
    "DagsterPostgresStorage": ("from_config_value",),
    "CeleryRunLauncher": ("_instance", "check_run_worker_health", "terminate"),
    "AssetStatusCacheValue": (
        "deserialize_failed_partition_subsets",
        "deserialize_in_progress_partition_subsets",
        "deserialize_materialized_partition_subsets",
    ),
    "ReconstructableRepository": ("for_module", "get_reconstructable_job"),
    "RemoteRepositoryOrigin": ("get_job_origin",),
}
"""Members of the classes above that we call or replace."""

SET_IN_INIT = {
    "SqliteEventLogStorage": ("_initialized_dbs",),
    "DagsterSqliteStorage": ("_event_log_storage",),
    "DagsterPostgresStorage": ("_event_log_storage",),
    "CeleryRunLauncher": ("celery", "default_queue"),
}
"""Attributes of their objects."""

QUEUE_DAEMON = "QUEUED_RUN_COORDINATOR"
"""The part of the daemon that takes runs from the queue."""

REPOSITORY_NAME = "__repository__"
"""The repository that holds all definitions of a code location."""

GRPC_INFO_TAG = ".dagster/grpc_info"
"""On a run that a code server runs: where that server listens."""

DATA_VERSION_TAG = "dagster/data_version"
"""On a materialization."""

TEXTS = {
    DATA_VERSION_TAG: "dagster._core.definitions.data_version:DATA_VERSION_TAG",
    QUEUE_DAEMON: "dagster._daemon.run_coordinator:QueuedRunCoordinatorDaemon.daemon_type",
    REPOSITORY_NAME: "dagster._core.definitions.repository_definition:SINGLETON_REPOSITORY_NAME",
    GRPC_INFO_TAG: "dagster._core.storage.tags:GRPC_INFO_TAG",
    "UNEXPECTED_TERMINATION": "dagster._core.events:RunFailureReason.UNEXPECTED_TERMINATION.value",
    "dagster/asset_partition_range_end": "dagster._core.storage.tags:ASSET_PARTITION_RANGE_END_TAG",
    "dagster/asset_partition_range_start": (
        "dagster._core.storage.tags:ASSET_PARTITION_RANGE_START_TAG"
    ),
    "dagster/backfill": "dagster._core.storage.tags:BACKFILL_ID_TAG",
    "dagster/compute_kind": "dagster._core.storage.tags:COMPUTE_KIND_TAG",
    "dagster/failure_reason": "dagster._core.storage.tags:RUN_FAILURE_REASON_TAG",
    "dagster/max_runtime": "dagster._core.storage.tags:MAX_RUNTIME_SECONDS_TAG",
    "dagster/partition": "dagster._core.storage.tags:PARTITION_NAME_TAG",
    "dagster/retry_number": "dagster._core.storage.tags:RETRY_NUMBER_TAG",
    "dagster/schedule_name": "dagster._core.storage.tags:SCHEDULE_NAME_TAG",
    "dagster/sensor_name": "dagster._core.storage.tags:SENSOR_NAME_TAG",
    "dagster/will_retry": "dagster._core.storage.tags:WILL_RETRY_TAG",
}
"""Texts that our code repeats, and the name by which Dagster has each."""

if not TYPE_CHECKING:  # a type checker reads the imports above

    def __getattr__(name: str) -> Any:
        """Import a name of `_NAMES`."""
        for module, names in _NAMES.items():
            if name in names:
                return getattr(import_module(module), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
