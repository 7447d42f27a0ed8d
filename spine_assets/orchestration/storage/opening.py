"""Opens the storage that `dagster.yaml` configures: ours, or Dagster's own where ours does not fit.

Our storages extend classes that Dagster does not make public (`dagster_private`). A release of
Dagster in which one of these has changed, or which nobody has tried, must not stop every command.
Dagster's own storage then opens the same files or tables, and one warning says so: events are
written one by one, which is slower. Belongs here: which storage is opened. Does not belong here:
the storages.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import dagster as dg
from filelock import FileLock

from spine_assets.orchestration import dagster_private as private
from spine_assets.orchestration.storage.local_files import optional_folder, with_folder

_OURS = {
    "SqliteStorage": ("sqlite", "BatchingSqliteStorage", "SqliteEventLogStorage"),
    "PostgresStorage": ("postgres", "BatchingPostgresStorage", "PostgresEventLogStorage"),
}
_DAGSTERS = {
    "SqliteStorage": "DagsterSqliteStorage",
    "PostgresStorage": "DagsterPostgresStorage",
}


class DoesNotFit(Exception):
    """Our storage cannot be used with the installed Dagster; the message says why."""


def __getattr__(name: str) -> Any:
    """The classes that `dagster.yaml` names: `SqliteStorage` and `PostgresStorage`.

    Made when they are asked for, since Dagster's PostgreSQL storage is an optional package.
    """
    if name not in _OURS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _made(name)


@cache
def _made(name: str) -> type:
    """A class for `dagster.yaml`, configured as Dagster's own of the same database."""
    stock = getattr(private, _DAGSTERS[name])
    is_local = "base_dir" in stock.config_type()

    def config_type(_: type) -> Any:
        configured = stock.config_type()
        return optional_folder(configured) if is_local else configured

    def from_config_value(_: type, inst_data: Any, config_value: Mapping[str, Any]) -> Any:
        try:
            return _ours(name, inst_data, config_value)
        except (ImportError, AttributeError, TypeError, DoesNotFit) as error:
            warnings.warn(
                f"Dagster {dg.__version__} is used with its own storage, on the same data: ours, "
                f"which writes events in batches, does not fit it ({error}). All works, but "
                f"ranges of weeks are slower; install dagster>={_text(private.FIRST_TRIED)},"
                f"<{_text(private.NOT_TRIED)}",
                RuntimeWarning,
                stacklevel=2,
            )
        if is_local:
            config_value = with_folder(config_value)
        with _opening(config_value):
            return stock.from_config_value(inst_data, config_value)

    methods = {
        "config_type": classmethod(config_type),
        "from_config_value": classmethod(from_config_value),
    }
    return type(name, (stock,), methods)


def _ours(name: str, inst_data: Any, config_value: Mapping[str, Any]) -> Any:
    """Our storage.

    Raises:
        DoesNotFit: this Dagster was not tried, or lacks a member that ours needs.
    """
    if not private.FIRST_TRIED <= _numbers(dg.__version__) < private.NOT_TRIED:
        raise DoesNotFit("this version was not tried")
    module, ours, log = _OURS[name]
    lost = [
        f"{parent}.{member}"
        for parent in ("SqlEventLogStorage", log)
        for member in private.MEMBERS[parent]
        if not hasattr(getattr(private, parent), member)
    ]
    if lost:
        raise DoesNotFit(f"there is no {', '.join(lost)}")
    storage = getattr(import_module(f"{__package__}.{module}"), ours)
    opened = storage.from_config_value(inst_data, config_value)
    unset = [
        member
        for member in private.SET_IN_INIT.get(log, ())
        if not hasattr(opened.event_log_storage, member)
    ]
    if unset:
        opened.dispose()
        raise DoesNotFit(f"{log} does not set {', '.join(unset)}")
    return opened


def _opening(config_value: Mapping[str, Any]) -> AbstractContextManager[Any]:
    """The lock under which one process at a time makes SQLite's files, as in `sqlite`."""
    if "base_dir" not in config_value:
        return nullcontext()
    base = Path(config_value["base_dir"])
    base.mkdir(parents=True, exist_ok=True)
    return FileLock(base / ".opening.lock")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
