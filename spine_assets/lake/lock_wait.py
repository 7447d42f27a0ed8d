"""Who holds a lock, and a line in the log for those who wait for it.

A holder writes its description beside the lock: host, process, and the run where there is one.
Belongs here: descriptions, and when a wait is reported. Does not belong here: the locks (`local`,
`bucket.lease`).
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

REPORT_SECONDS: Final = 5.0  # two builds of one week seldom overlap for longer

_logger = logging.getLogger(__name__)
_work = ""


@contextmanager
def working_on(what: str) -> Iterator[None]:
    """Describe what this process does meanwhile, such as `run 1a2b3c4d`."""
    global _work  # noqa: PLW0603 - of the process, as its id is; locks are taken in several threads
    before, _work = _work, what
    try:
        yield
    finally:
        _work = before


def this_process() -> str:
    """A description of this process, for others that wait for its locks."""
    work = f" ({_work})" if _work else ""
    return f"{socket.gethostname()} process {os.getpid()}{work}"


class Wait:
    """One wait for a lock: it may be given up, and it is reported once it takes long."""

    def __init__(
        self, lock: str, holder: Callable[[], str], given_up: Callable[[], bool] | None = None
    ) -> None:
        self._lock, self._holder, self._given_up = lock, holder, given_up
        self._since = time.monotonic()
        self._is_reported = False

    def is_over(self) -> bool:
        """Whether to wait no longer; to be called again and again while another holds the lock."""
        if not self._is_reported and time.monotonic() - self._since > REPORT_SECONDS:
            self._is_reported = True
            _logger.warning("waits for the lock of %s, which %s holds", self._lock, self._holder())
        return self._given_up is not None and self._given_up()
