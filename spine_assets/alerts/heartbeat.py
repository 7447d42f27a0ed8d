"""A sign of life: an address outside that is requested while the daemon works.

Whoever watches that address reports when the requests stop, because a dead daemon cannot. Belongs
here: when the address is requested, and what a failure means (a line in the log). Does not belong
here: messages about problems (`sending`).
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import SecretStr

_EVERY_SECONDS = 55.0  # at most once a minute: ticks of the sensor are 30 s apart, more or less
_TIMEOUT_SECONDS = 5.0  # a tick has 60 s for all that it does


class Heartbeat:
    """The requests of one process."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._failed = False

    def beat(self, url: SecretStr | None, log: logging.Logger) -> None:
        """Request the address unless that was done a moment ago; never raises.

        A failure is logged once, until a request succeeds again. The address may contain a secret
        and is not logged.
        """
        now = time.monotonic()
        if url is None or (self._last is not None and now - self._last < _EVERY_SECONDS):
            return
        self._last = now
        problem = _request(url)
        if problem and not self._failed:
            log.warning(f"the heartbeat (SPINE_HEARTBEAT_URL) is not received: {problem}")
        elif self._failed and not problem:
            log.info("the heartbeat (SPINE_HEARTBEAT_URL) is received again")
        self._failed = problem is not None


def _request(url: SecretStr) -> str | None:
    """Why the address does not answer with success, or None."""
    # httpx is slow to import, and most installations set no address.
    from spine_assets.outbound.client import NoReply, send_once

    try:
        reply = send_once("GET", url, _TIMEOUT_SECONDS)
    except NoReply as error:
        return str(error)
    return None if reply.is_success else f"HTTP {reply.status}"
