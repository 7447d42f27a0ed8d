"""A step's work in a process of its own, which is ended when the step's time is over.

What it writes appears whole or not at all, so that it may be ended at any moment. The process
ends by itself when the one that started it is gone. Belongs here: starting it, what goes in and
what comes back. Does not belong here: the work (`engine`, `building`).
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
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool

from spine_assets.lake.base import LakeUnavailable
from spine_assets.pipelines.steps.engine import (
    ActionEngine,
    Engine,
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
_LOOK_SECONDS = 0.5  # between looks whether the run still lives
_TRACE_LINES = 40  # of an error that no engine foresaw
_MOST_SAID = 10_000  # characters; every step after it and Dagster's log hold a copy


class StepTimeout(TimeoutError):
    """A step's time is over; its work was ended."""


@dataclass(frozen=True)
class Failed:
    """An error of a step, as it can be passed between processes.

    Attributes:
        names: Its class and those above it, for `retry_on`.
        message: Its text.
        trace: Where it came from; empty of errors that engines raise on purpose.
    """

    names: tuple[str, ...]
    message: str
    trace: str = ""

    @property
    def kind(self) -> str:
        """Its class, without the module."""
        return self.names[0].rpartition(".")[2]

    def is_one_of(self, wanted: list[str]) -> bool:
        """Whether it is one of these classes, by name or by module and name."""
        return any(name in wanted or name.rpartition(".")[2] in wanted for name in self.names)


@dataclass(frozen=True)
class StepTask:
    """What a process is to do; all of it can be passed to another process."""

    ps_type: str
    parts: dict[str, Any]
    context: StepContext
    force: bool = False


def task_of(step: Step, context: StepContext, *, force: bool = False) -> StepTask:
    """The task of a step."""
    parts = {
        name: getattr(step, name).model_dump(mode="json", exclude_unset=True)
        for name in ("source", "destination", "config")
    }
    return StepTask(step.ps_type, parts, context, force)


class Worker:
    """A process that does one task after another; one that takes too long is ended with it."""

    def __init__(self, pool: ProcessPool) -> None:
        self._pool = pool

    def do(self, task: StepTask, timeout_minutes: float) -> StepResult | TableStepResult | Failed:
        """Have a task done."""
        seconds = timeout_minutes * _SECONDS_A_MINUTE
        future = self._pool.schedule(_answered, args=[task], timeout=seconds)
        try:
            return future.result()
        except PoolTimeout:
            said = f"timeout_minutes ({timeout_minutes:g}) are over; its work was ended"
            return Failed(_names(StepTimeout(said)), said)
        except ProcessExpired as error:
            said = f"its process ended by itself (exit code {error.exitcode})"
            if error.exitcode and error.exitcode < 0:
                said = f"its process was killed by signal {-error.exitcode}; out of memory?"
            return Failed(_names(error), said)
        finally:
            future.cancel()  # type: ignore[no-untyped-call] # of a run that is canceled the work ends too


@contextmanager
def worker() -> Iterator[Worker]:
    """A worker; it ends with the block, whatever it is doing."""
    context = multiprocessing.get_context("spawn")
    begun = context.SimpleQueue()
    pool = ProcessPool(
        max_workers=1,
        context=context,
        initializer=_begin,
        initargs=[os.getpid(), begun],
    )
    try:
        yield Worker(pool)
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()
        while not begun.empty():
            with suppress(ProcessLookupError):  # it left nothing
                os.killpg(begun.get(), signal.SIGKILL)


def do(task: StepTask) -> StepResult | TableStepResult:
    """Do a task here and now.

    Raises:
        EngineExecutionError, TransientError: as the engine says.
    """
    engine = engines()[task.ps_type]
    made = _work_of(engine, task)
    if isinstance(engine, TableEngine):
        return build(engine, made, task.force)
    if isinstance(engine, ActionEngine):
        if reads := engine.reads(made.source):
            require_inputs(task.context, reads)
        found: StepResult = engine.act(made)
        return found
    raise TypeError(f"{task.ps_type} neither acts nor makes a table")


def _work_of(engine: Engine[Any, Any, Any], task: StepTask) -> Work[Any, Any, Any]:
    """The parts of a step with the names in their texts replaced, but for SQL."""
    made = {
        name: rendered(getattr(engine, name).model_validate(task.parts[name]), task.context.values)
        for name in ("source", "destination", "config")
    }
    return Work(**made, context=task.context)


def _begin(parent: int, begun: SimpleQueue[int]) -> None:
    """The first that the process does."""
    os.setsid()  # a group of its own, which what it starts belongs to
    begun.put(os.getpid())
    os.dup2(sys.stderr.fileno(), 1)  # what a function prints is no answer of `spine run --json`
    _end_with(parent)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")


def _answered(task: StepTask) -> StepResult | TableStepResult | Failed:
    """What the process does of a task; it answers also when it fails.

    Also to `sys.exit` in a function and to a panic of Polars, which are no `Exception`: the steps
    that run on failure wait for the answer.
    """
    try:
        found = do(task)
        if isinstance(found, StepResult):
            json.dumps(dict(found.result))
        pickle.dumps(found)
        return found
    except BaseException as error:
        return failed(error)


def failed(error: BaseException) -> Failed:
    """An error as the process answers it."""
    foreseen = isinstance(error, (EngineExecutionError, TransientError))
    lines = [] if foreseen else traceback.format_exception(error)
    trace = "".join(lines).splitlines()[-_TRACE_LINES:]
    said = _shortened(_text_of(error) or type(error).__name__)
    at = traceback.extract_tb(error.__traceback__)
    if at and not foreseen:  # mostly in somebody's function, whose line is what its author needs
        said = f"{said} ({Path(at[-1].filename).name}:{at[-1].lineno})"
    return Failed(_names(error), said, _shortened("\n".join(trace)))


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as problem:  # of somebody's own class of errors
        return f"its text cannot be had: {type(problem).__name__}"


def _shortened(text: str) -> str:
    if len(text) <= _MOST_SAID:
        return text
    return f"{text[:_MOST_SAID]}... ({len(text):,} characters)"


def _names(error: BaseException) -> tuple[str, ...]:
    classes = [item for item in type(error).__mro__ if item not in (object, BaseException)]
    if isinstance(error, LakeUnavailable):  # a full disk, a lost mount
        classes.append(TransientError)
    return tuple(f"{item.__module__}.{item.__qualname__}" for item in classes)


def _end_with(parent: int) -> None:
    """End this process, and what it started, when the one that started it is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
