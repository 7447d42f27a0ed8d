"""Following the progress of runs in their event log, whichever process executes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spine_assets.core.progress import Progress
from spine_assets.orchestration.progress_events import progress_of

if TYPE_CHECKING:
    import dagster as dg

_POLL_SECONDS = 0.5  # fast enough for a person, and each poll is one query
_EVENTS_PER_QUERY = 1_000
_HEALTH_SECONDS = 10.0  # between checks that a run still has a worker; each asks a server


@dataclass
class Follower:
    """Reads the events of one run as they come.

    Attributes:
        latest: How far the run has come; None before its first week.
    """

    instance: dg.DagsterInstance
    run_id: str
    latest: Progress | None = None
    _cursor: str | None = None

    def poll(self) -> None:
        """Read the events since the last poll."""
        while True:
            found = self.instance.get_records_for_run(
                self.run_id, cursor=self._cursor, limit=_EVENTS_PER_QUERY
            )
            for record in found.records:
                self.latest = progress_of(record.event_log_entry.dagster_event) or self.latest
            self._cursor = found.cursor
            if not found.has_more:
                return


def all_until_the_end(
    followers: Sequence[Follower],
    shows: Sequence[Callable[[Progress | None], None]],
    is_lost: Callable[[dg.DagsterRun], bool],
) -> None:
    """Follow runs of other processes, side by side, until each has ended.

    Args:
        followers: One per run.
        shows: For each follower, the function that shows the progress of its run.
        is_lost: Called now and then for each unfinished run; returns whether no process executes it
            any more, and records it.
    """
    going = list(zip(followers, shows, strict=True))
    looked = time.monotonic()
    while going:
        is_due = time.monotonic() - looked > _HEALTH_SECONDS
        looked = time.monotonic() if is_due else looked
        ended = []
        for follower, show in going:
            run = follower.instance.get_run_by_id(follower.run_id)
            follower.poll()
            show(follower.latest)
            if run is not None and (run.is_finished or (is_due and is_lost(run))):
                ended.append(follower)
        going = [item for item in going if item[0] not in ended]
        if going:
            time.sleep(_POLL_SECONDS)


@contextmanager
def followed(follower: Follower, show: Callable[[Progress | None], None]) -> Iterator[None]:
    """Follow a run of this process while the body executes it."""
    over = threading.Event()

    def follow() -> None:
        while not over.wait(_POLL_SECONDS):
            follower.poll()
            show(follower.latest)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        follower.poll()
        show(follower.latest)
