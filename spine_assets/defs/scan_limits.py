"""How much of the landing folder one tick of a sensor or schedule reads."""

from __future__ import annotations

from spine_assets.otc.delivery.scan import Limit

# Dagster gives a tick 60 s. One archive of the largest size takes about half of that.
READ_BYTES = 1_500_000_000
READ_SECONDS = 20.0
SETTLE_SECONDS = 5.0  # a program whose copy pauses longer should use a temporary name


def a_tick() -> Limit:
    """The limit of one tick; the other files are read at the next one."""
    return Limit(READ_BYTES, READ_SECONDS, SETTLE_SECONDS)
