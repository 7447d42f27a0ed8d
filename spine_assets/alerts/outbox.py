"""Sending what waits: each alert to each channel once, a dead channel tried again later."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from spine_assets.alerts.alert import Alert
from spine_assets.alerts.channels import AlertNotSent, Destination, send
from spine_assets.alerts.memory import Memory, Waiting

MOST_WAITING = 20  # 40 kB in the worst case; runs are read on when these are sent
MOST_TRIES = 120  # at a tick each 30 seconds an hour, the length of a bad outage
_SECONDS = 30.0  # of the 60 that a sensor's tick has


@dataclass(frozen=True)
class Sent:
    """What became of the alerts of one tick."""

    sent: int
    waiting: int
    trouble: str = ""


def queue(memory: Memory, alerts: Sequence[Alert], to: Sequence[Destination]) -> None:
    """Let alerts wait for every destination."""
    names = [destination.name for destination in to]
    memory.waiting += [Waiting(alert, list(names)) for alert in alerts]


def send_waiting(memory: Memory, to: Sequence[Destination], log: logging.Logger) -> Sent:
    """Send what waits, the oldest first.

    A channel that took an alert is not asked again. One that is down is not asked again in
    this tick, and the other channels get everything. After `MOST_TRIES` ticks an alert is
    given up with an error in the log.
    """
    until = time.monotonic() + _SECONDS
    down: dict[str, str] = {}
    sent = 0
    for entry in list(memory.waiting):
        if time.monotonic() > until:
            break  # the rest is tried in the next tick and has lost no try
        _try(entry, to, down, log)
        if not entry.channels:
            sent += 1
        elif entry.tries >= MOST_TRIES:
            log.error(
                f"given up after {entry.tries} tries by {', '.join(entry.channels)}: "
                f"{entry.alert.title}: {entry.alert.said}"
            )
            entry.channels = []
    memory.waiting = [entry for entry in memory.waiting if entry.channels]
    trouble = "; ".join(f"{name}: {reason}" for name, reason in down.items())
    return Sent(sent, len(memory.waiting), trouble)


def _try(
    entry: Waiting, to: Sequence[Destination], down: dict[str, str], log: logging.Logger
) -> None:
    """Offer an alert to the channels that have not taken it; those that did not stay."""
    wanted = [destination for destination in to if destination.name in entry.channels]
    failed = [destination.name for destination in wanted if destination.name in down]
    try:
        send(entry.alert, [item for item in wanted if item.name not in down])
    except AlertNotSent as error:
        log.warning(f"not sent: {entry.alert.title}: {error}")
        failed += error.failed
        down |= {name: str(fault) for name, fault in error.failed.items() if fault.down}
    entry.channels = failed
    entry.tries += 1
