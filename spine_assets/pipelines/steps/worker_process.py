"""Runs a step's work in a process of its own, which is killed when the step's time is over.

That is safe at any moment, because what a step writes appears complete or not at all. The process
also ends when its parent process has ended. Starting it, its task and its result belong here; the
work belongs to the engines and `table_build`.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import TimeoutError as PoolTimeout
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool

from spine_assets.lake.base import LakeUnavailable
from spine_assets.otc.state.results import CheckResult
from spine_assets.pipelines.steps.anomalies import Anomalies
from spine_assets.pipelines.steps.engine import (
    PARTS,
    ActionEngine,
    EngineExecutionError,
    StepContext,
    StepResult,
    TableEngine,
    TransientError,
    Work,
)
from spine_assets.pipelines.steps.inputs import require_inputs
from spine_assets.pipelines.steps.registry import engines
from spine_assets.pipelines.steps.table_build import TableStepResult, build
from spine_assets.pipelines.yaml.model import Step
from spine_assets.pipelines.yaml.step_texts import rendered

_SECONDS_A_MINUTE = 60
_POLL_SECONDS = 0.5  # between checks that the run is still alive
_TRACE_LINES = 40  # of an error that no engine raises on purpose
_MOST_CHARS = 10_000  # every later step and Dagster's log store a copy


class StepTimeout(TimeoutError):
    """A step's time is over, and its process was killed."""


@dataclass(frozen=True)
class Failed:
    """An error of a step; it can be pickled, whatever the class of the error.

    Attributes:
        names: The names of its class and base classes, for `retry_on`.
        message: Its text.
        trace: The end of its traceback; empty for errors that engines raise on purpose.
        recorded: The check `anomalies` of a table whose step recorded some before it failed.
    """

    names: tuple[str, ...]
    message: str
    trace: str = ""
    recorded: CheckResult | None = None

    @property
    def kind(self) -> str:
        """The name of its class, without the module."""
        return self.names[0].rpartition(".")[2]

    def is_one_of(self, wanted: list[str]) -> bool:
        """Whether its class or a base class is in a list of names, with or without modules."""
        return any(name in wanted or name.rpartition(".")[2] in wanted for name in self.names)


@dataclass(frozen=True)
class StepTask:
    """What a worker process does; it can be pickled."""

    ps_type: str
    parts: dict[str, Any]
    context: StepContext
    force: bool = False


def task_of(step: Step, context: StepContext, *, force: bool = False) -> StepTask:
    """The task of a step."""
    parts = {
        name: getattr(step, name).model_dump(mode="json", exclude_unset=True) for name in PARTS
    }
    return StepTask(step.ps_type, parts, context, force)


class Worker:
    """A process that does one task after another; it is killed with a task that takes too long."""

    def __init__(self, pool: ProcessPool) -> None:
        self._pool = pool

    def do(self, task: StepTask, timeout_minutes: float) -> StepResult | TableStepResult | Failed:
        """Do a task in the process; every error becomes a result."""
        seconds = timeout_minutes * _SECONDS_A_MINUTE
        future = self._pool.schedule(_result, args=[task], timeout=seconds)
        try:
            return future.result()
        except PoolTimeout:
            message = f"timeout_minutes ({timeout_minutes:g}) are over; its process was killed"
            return Failed(_names(StepTimeout(message)), message)
        except ProcessExpired as error:
            message = f"its process ended by itself (exit code {error.exitcode})"
            if error.exitcode and error.exitcode < 0:
                message = f"its process was killed by signal {-error.exitcode}; out of memory?"
            return Failed(_names(error), message)
        finally:
            future.cancel()  # type: ignore[no-untyped-call] # a canceled run ends its work


@contextmanager
def worker() -> Iterator[Worker]:
    """A worker, which is killed at the end of the block, with all that it started."""
    context = multiprocessing.get_context("spawn")
    begun = context.SimpleQueue()
    arguments = [os.getpid(), begun]
    pool = ProcessPool(max_workers=1, context=context, initializer=_begin, initargs=arguments)
    try:
        yield Worker(pool)
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()
        while not begun.empty():
            with suppress(ProcessLookupError):  # nothing of its group is left
                os.killpg(begun.get(), signal.SIGKILL)


def do(task: StepTask) -> StepResult | TableStepResult:
    """Do a task in this process.

    Raises:
        EngineExecutionError, TransientError: as the engine reports.
    """
    engine = engines()[task.ps_type]
    parts: dict[str, Any] = {
        name: rendered(getattr(engine, name).model_validate(task.parts[name]), task.context.values)
        for name in PARTS
    }
    work = Work(**parts, context=task.context)
    if isinstance(engine, TableEngine):
        return build(engine, work, task.force)
    assert isinstance(engine, ActionEngine)  # noqa: S101 - the registry accepts these two kinds
    if reads := engine.reads(work.source):
        require_inputs(task.context, reads)
    return engine.act(work)


def _begin(parent: int, begun: SimpleQueue[int]) -> None:
    """Prepare the process before its first task."""
    os.setsid()  # a process group of its own, with all that it starts
    begun.put(os.getpid())
    os.dup2(sys.stderr.fileno(), 1)  # what a function prints must not be in `spine run --json`
    _end_with(parent)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")


def _result(task: StepTask) -> StepResult | TableStepResult | Failed:
    """The result of a task in the worker process, also if it fails.

    `sys.exit` in a function and a panic of Polars are not an `Exception`, and are results too: the
    steps that run on failure wait for one.
    """
    try:
        found = do(task)
        if isinstance(found, StepResult):
            found = _with_anomalies(found, task.context.anomalies)
            json.dumps(dict(found.result))
        pickle.dumps(found)
        return found
    except BaseException as error:
        return replace(failed(error), recorded=_recorded(task))


def _with_anomalies(result: StepResult, anomalies: Anomalies) -> StepResult:
    """The result of a step without a table, which has no check: they are in its log."""
    if not anomalies:
        return result
    listed = [item.as_row() for item in anomalies.listed()]
    return replace(result, result={**result.result, "anomalies": listed})


def _recorded(task: StepTask) -> CheckResult | None:
    anomalies = task.context.anomalies
    if not anomalies or not isinstance(engines()[task.ps_type], TableEngine):
        return None
    return anomalies.result(task.parts["destination"]["table"])


def failed(error: BaseException) -> Failed:
    """An error as the result of a task."""
    foreseen = isinstance(error, (EngineExecutionError, TransientError))
    lines = [] if foreseen else traceback.format_exception(error)
    trace = "".join(lines).splitlines()[-_TRACE_LINES:]
    message = _shortened(_text_of(error) or type(error).__name__)
    at = traceback.extract_tb(error.__traceback__)
    if at and not foreseen:  # mostly in a user's function, whose author needs the line
        message = f"{message} ({Path(at[-1].filename).name}:{at[-1].lineno})"
    return Failed(_names(error), message, _shortened("\n".join(trace)))


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as problem:  # a user's class of errors may fail here
        return f"its text cannot be read: {type(problem).__name__}"


def _shortened(text: str) -> str:
    more = f"... ({len(text):,} characters)" if len(text) > _MOST_CHARS else ""
    return text[:_MOST_CHARS] + more


def _names(error: BaseException) -> tuple[str, ...]:
    classes = [item for item in type(error).__mro__ if item not in (object, BaseException)]
    if isinstance(error, LakeUnavailable):  # a full disk, a lost mount
        classes.append(TransientError)
    return tuple(f"{item.__module__}.{item.__qualname__}" for item in classes)


def _end_with(parent: int) -> None:
    """End this process, and all that it started, when its parent process has ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
