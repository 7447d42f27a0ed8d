"""Lets a week of a run wait until the weeks before it are captured.

The week of a download is only proposed by its dates, and the figures of earlier weeks may
contradict it. A run that builds several weeks at once would not have them yet.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import date

_LOOK_SECONDS = 0.2  # a run that was given up ends its waits within this time


class CaptureOrder:
    """Which weeks of a run are captured; `weeks` are in the order in which they are begun."""

    def __init__(self, weeks: Iterable[date] = ()) -> None:
        self._captured = {week: threading.Event() for week in weeks}

    @property
    def weeks(self) -> frozenset[date]:
        """The weeks of the run, where it has several."""
        return frozenset(self._captured)

    def captured(self, week: date) -> None:
        """The captures of a week are stored, or there will be none."""
        if week in self._captured:
            self._captured[week].set()

    def wait_for_weeks_before(self, week: date, given_up: Callable[[], bool] | None) -> None:
        """Return when those that were begun before are captured, or the run is given up."""
        for before, event in self._captured.items():
            if before == week:
                return  # later ones may wait for this one
            while before < week and not event.wait(_LOOK_SECONDS):
                if given_up is not None and given_up():
                    return
