"""Collects items and writes many of them at the cost of one.

Belongs here: waiting, order, and which caller gets an error. Does not belong here: what is written.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from itertools import takewhile
from typing import Generic, TypeVar

T = TypeVar("T")


class Batches(Generic[T]):
    """Writes items in the order in which they were added, in a thread that lives while any wait.

    It has its own thread, because Ctrl-C interrupts the main thread anywhere, also between two
    commits. Items that could not be written stay, and are tried again with the next item; its
    caller gets the error if they fail again, so no loss is silent.

    Args:
        write: Writes a batch, all or nothing.
        key: Only adjacent items with the same key make a batch.
        delay_seconds: How long the first item of a batch waits at most.
        most: Most items in a batch.
    """

    def __init__(
        self,
        write: Callable[[list[T]], None],
        *,
        key: Callable[[T], Hashable],
        delay_seconds: float,
        most: int,
    ) -> None:
        self._write = write
        self._key = key
        self._delay_seconds = delay_seconds
        self._most = most
        self._waiting: list[T] = []
        self._written = 0
        self._error: Exception | None = None
        self._hurry = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()

    def add(self, item: T) -> None:
        """Add an item; write at once if many wait or the last batch could not be written."""
        with self._changed:
            self._waiting.append(item)
            if self._error is None and len(self._waiting) < self._most:
                self._start()
                return
        self.flush()

    def flush(self) -> None:
        """Return when all items that wait now are written.

        Raises:
            Exception: What `write` raised; the items keep waiting.
        """
        with self._changed:
            goal = self._written + len(self._waiting)
            self._error = None
            while self._written < goal:
                self._hurry = True
                self._start()
                self._changed.notify_all()
                self._changed.wait()
                if self._error is not None:
                    raise self._error

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while batch := self._next():
            error = None
            try:
                self._write(batch)
            except Exception as failed:  # kept for the next caller, as in a future
                error = failed
            with self._changed:
                self._error = error
                if error is None:
                    del self._waiting[: len(batch)]
                    self._written += len(batch)
                else:
                    self._thread = None
                self._changed.notify_all()
            if error is not None:
                return

    def _next(self) -> list[T]:
        """The next batch when it is due; an empty one, and the thread's end, if nothing waits."""
        with self._changed:
            if not self._waiting:
                self._thread = None
                return []
            self._changed.wait_for(lambda: self._hurry, self._delay_seconds)
            self._hurry = False
            key = self._key(self._waiting[0])
            return list(takewhile(lambda item: self._key(item) == key, self._waiting))
