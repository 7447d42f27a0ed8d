"""Whether a process still executes a run: it holds a lock on a file named by the run's id.

Dagster records that a run has begun, and nothing more until its process records the end. A process
that is killed records none, so its run would count as running for ever, and its weeks as being
built. Dagster's daemon monitors only runs that it started itself. So a process that executes a run
of its own holds a lock of the operating system from before the run is recorded until its end. The
system frees the lock when the process dies, and `report_lost` then records the run as failed.

The files are below the folder of Dagster's local storage. Only processes that see this folder can
ask: where the history is in PostgreSQL, those on the machine that executed the run. A run without a
file is left to Dagster's monitoring. Belongs here: the locks and what follows from a free one. Does
not belong here: locks of the lake.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from filelock import FileLock, Timeout

FOLDER = "executing"
"""Folder of the lock files, below that of Dagster's local storage."""
LOST = "Its process has ended without recording an end: it was killed, or its machine stopped."

_SUFFIX = ".lock"
_logger = logging.getLogger(__name__)
_until_exit: dict[str, FileLock] = {}  # the run that this process executes, for its whole life


@contextmanager
def held(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Hold the lock of a run that this process executes; begin before the run is recorded.

    Where the folder cannot be written, the run goes on without a lock.
    """
    path = _folder(instance) / f"{run_id}{_SUFFIX}"
    lock = _acquired(path)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()
            _settle(instance, path)


def hold_until_exit(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Hold the lock of a run that this process executes until the process ends or runs another.

    For runs that `dagster asset materialize` or `dagster job execute` began: those of the daemon
    are monitored by it, and a `spine` process holds its own from the beginning.
    """
    if run.remote_job_origin is not None or run.run_id in _until_exit:
        return
    for earlier in _until_exit.values():
        earlier.release()
    _until_exit.clear()
    path = _folder(instance) / f"{run.run_id}{_SUFFIX}"
    if not path.exists() and (lock := _acquired(path)) is not None:
        _until_exit[run.run_id] = lock


def report_lost(instance: dg.DagsterInstance) -> list[str]:
    """Record the end of runs whose process has ended without doing so; return their ids.

    It costs the listing of a folder that is empty while no process executes a run.
    """
    paths = sorted(_folder(instance).glob(f"*{_SUFFIX}"))
    return [path.stem for path in paths if _settle(instance, path)]


def _settle(instance: dg.DagsterInstance, path: Path) -> bool:
    """Remove the file of a run that no process executes; whether the run had not ended.

    The lock is held meanwhile, so that of several processes one records the end.
    """
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except (Timeout, OSError):  # it is executed, or the file is another user's
        return False
    try:
        run = instance.get_run_by_id(path.stem)
        is_lost = run is not None and not run.is_finished
        if run is not None and is_lost:
            if run.status is dg.DagsterRunStatus.CANCELING:
                instance.report_run_canceled(run, LOST)
            else:
                instance.report_run_failed(run, LOST)
            _logger.warning("run %s is recorded as ended. %s", run.run_id, LOST)
        path.unlink(missing_ok=True)
    finally:
        lock.release()
    return is_lost


def _acquired(path: Path) -> FileLock | None:
    """The lock of a file, held; None where it cannot be had."""
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()  # another process may examine the file for a moment
    except OSError as error:
        _logger.warning(
            "%s cannot be locked (%s): if this process is killed, its run stays recorded as "
            "running",
            path,
            error.strerror or error,
        )
        return None
    return lock


def _folder(instance: dg.DagsterInstance) -> Path:
    return Path(instance.root_directory).absolute() / FOLDER
