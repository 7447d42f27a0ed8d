"""A lock in a bucket: an object that its holder renews, changed by conditional PUTs alone.

A waiter takes a lock over when it has watched it for a full lease without seeing it renewed, by
its own clock: the clocks of machines need not agree. A holder that was stopped for longer finds
out before it writes (`require`). A write that was under way then is refused by the store, because
its condition names the version that it meant to replace (`ObjectLake.publish`).

The lock of a week also records the names of its files: a name is recorded before its file is
first written, so that an outdated list cannot hide a capture. Belongs here: the lock alone.
"""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from spine_assets.lake.base import LakeError, LakeUnavailable
from spine_assets.lake.bucket.objects import ObjectFile, Version
from spine_assets.lake.bucket.store_errors import Replaced
from spine_assets.lake.lock_wait import Wait, this_process
from spine_assets.lake.names import LockName

LEASE_SECONDS = 15.0
"""How long a killed run's week stays locked, and how long a slow renewal may take."""

_RENEWALS = 3  # per lease, so that two may fail
_POLL_SECONDS = 0.5  # between looks at a lock that another process holds
Names = dict[str, list[str]]
"""Names of files by table."""


class Lease:
    """A lock held by this process until it is released or was not renewed for a lease."""

    def __init__(self, file: ObjectFile, seconds: float = LEASE_SECONDS) -> None:
        self._file, self._seconds = file, seconds
        self._guard = threading.RLock()
        self._over = threading.Event()
        self._version: Version | None = None
        self._names: Names = {}
        self._renewed = 0.0
        self._lost = ""

    def acquire(self, given_up: Callable[[], bool] | None = None) -> None:
        """Wait for the lock and hold it.

        Raises:
            LakeUnavailable: the wait was given up, or the store does not answer.
            LakeError: the store refuses.
        """
        seen: Version | None = None
        since = 0.0
        state: dict[str, Any] = {}
        name = LockName(self._file.name.removesuffix(".lock"))
        wait = Wait(name.meaning, lambda: str(state["holder"]), given_up)
        while True:
            version, state = _read(self._file)
            if version != seen:
                seen, since = version, _clock()
            is_dead = _clock() - since > self._seconds
            if version is None or not state.get("holder") or is_dead:
                self._names = _names_in(state)
                if self._write(version or "none", this_process()):
                    break
                continue  # another was faster
            if wait.is_over():
                raise LakeUnavailable(
                    f"{self._file.name}: the run ended while it waited for the lock, which "
                    f"{state['holder']} holds"
                )
            time.sleep(_POLL_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 - not to look at once with others
        threading.Thread(target=self._keep, daemon=True).start()

    def release(self) -> None:
        """Let others have it; where the store does not answer it becomes free a lease later."""
        self._over.set()
        with self._guard, suppress(LakeError):
            if not self._lost and self._version is not None:
                self._write(self._version, "")

    def record(self, table: str, name: str) -> None:
        """Record the name of a file that is about to be written.

        Raises:
            LakeUnavailable: the lock was lost; the file must not be written.
        """
        with self._guard:
            before, names = self._names, self.names(table)
            if name not in names:
                self._names = {**before, table: [*names, name]}
                try:
                    self._renew()
                except LakeError:
                    self._names = before  # so that it is recorded before the next try
                    raise
        self.require()

    def names(self, table: str) -> list[str]:
        """The names recorded so far, under this lock and before."""
        with self._guard:
            return [*self._names.get(table, ())]

    def require(self) -> None:
        """Make sure that no other process can have had the lock until now.

        Raises:
            LakeUnavailable: it was lost, or may have been.
        """
        with self._guard:
            if not self._lost and _clock() - self._renewed > self._seconds / _RENEWALS:
                self._renew()
            if self._lost:
                raise LakeUnavailable(
                    f"{self._file.name}: {self._lost}, so another run may work on it now; nothing "
                    "was published since. Run the week again"
                )

    def _keep(self) -> None:
        """Renew the lock until it is released."""
        while not self._over.wait(self._seconds / _RENEWALS):
            with self._guard:
                if self._over.is_set() or self._lost:
                    return
                with suppress(LakeError):  # tried again; `require` raises it where it matters
                    self._renew()

    def _renew(self) -> None:
        if self._lost or self._version is None:
            return
        try:
            is_ours = self._write(self._version, this_process())
        except LakeUnavailable:
            if _clock() - self._renewed > self._seconds:
                self._lost = "the lock could not be renewed in time"
            raise
        if not is_ours:
            self._lost = "the lock was taken over by another run after this one was stopped"

    def _write(self, expected: Version | Literal["none"], holder: str) -> bool:
        """Change the lock where it still has the expected version; whether it had."""
        begun = _clock()
        # The token makes each content unique, so that it can be recognized.
        state = {"token": uuid.uuid4().hex, "holder": holder, "files": self._names}
        try:
            self._version = self._file.put_surely(json.dumps(state).encode(), expected)
        except Replaced:
            return False
        self._renewed = begun
        return True


def recorded(file: ObjectFile, table: str) -> list[str]:
    """Names of a table's files that are recorded in a lock, whoever holds it."""
    return _names_in(_read(file)[1]).get(table, [])


def _read(file: ObjectFile) -> tuple[Version | None, dict[str, Any]]:
    """Version and content of a lock; nothing where there is none."""
    try:
        stored = file.fetch()
    except FileNotFoundError:
        return None, {}
    try:
        state = json.loads(stored.content)
        return stored.version, state if isinstance(state, dict) else {}
    except ValueError:
        raise LakeError(f"{file} is not a lock of this program; move it away") from None


def _names_in(state: dict[str, Any]) -> Names:
    return {table: [*names] for table, names in state.get("files", {}).items()}


def _clock() -> float:
    """Seconds, also those while the machine is suspended where the system counts them."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)
