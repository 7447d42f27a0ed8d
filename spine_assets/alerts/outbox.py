"""Sends waiting alerts: each to each channel once; a channel that is down is tried again later."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from spine_assets.alerts.alert import Alert
from spine_assets.alerts.channels import AlertNotSent, Destination, send
from spine_assets.alerts.sensor_state import SensorState, WaitingAlert

MOST_WAITING = 20  # 40 kB in the worst case; no more runs are read until these are sent
MOST_TRIES = 120  # an hour of ticks every 30 seconds, the length of a bad outage
_SECONDS = 30.0  # of the 60 that Dagster gives a sensor tick


@dataclass(frozen=True)
class Sent:
    """Result of one tick: alerts sent, alerts still waiting, and why some channels are down."""

    sent: int
    waiting: int
    trouble: str = ""


def queue(state: SensorState, alerts: Sequence[Alert], to: Sequence[Destination]) -> None:
    """Add alerts to those that wait, for every destination."""
    names = [destination.name for destination in to]
    state.waiting += [WaitingAlert(alert, list(names)) for alert in alerts]


def send_waiting(state: SensorState, to: Sequence[Destination], log: logging.Logger) -> Sent:
    """Send waiting alerts, oldest first.

    A channel that accepted an alert does not get it again. One that is down is not tried again in
    this tick, and the other channels get everything. After `MOST_TRIES` ticks an alert is
    given up with an error in the log.
    """
    until = time.monotonic() + _SECONDS
    down: dict[str, str] = {}
    sent = 0
    for entry in list(state.waiting):
        if time.monotonic() > until:
            break  # the rest is left to the next tick and no try is counted
        _try(entry, to, down, log)
        if not entry.channels:
            sent += 1
        elif entry.tries >= MOST_TRIES:
            log.error(
                f"given up after {entry.tries} tries by {', '.join(entry.channels)}: "
                f"{entry.alert.title}: {entry.alert.text}"
            )
            entry.channels = []
    state.waiting = [entry for entry in state.waiting if entry.channels]
    trouble = "; ".join(f"{name}: {reason}" for name, reason in down.items())
    return Sent(sent, len(state.waiting), trouble)


def _try(
    entry: WaitingAlert, to: Sequence[Destination], down: dict[str, str], log: logging.Logger
) -> None:
    """Send an alert to the channels that have not accepted it; those that refuse it remain."""
    wanted = [destination for destination in to if destination.name in entry.channels]
    failed = [destination.name for destination in wanted if destination.name in down]
    try:
        send(entry.alert, [item for item in wanted if item.name not in down])
    except AlertNotSent as error:
        log.warning(f"not sent: {entry.alert.title}: {error}")
        failed += error.failed
        down |= {name: str(reason) for name, reason in error.failed.items() if reason.down}
    entry.channels = failed
    entry.tries += 1
