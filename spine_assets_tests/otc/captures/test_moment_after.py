"""What is recorded by a clock that went back is not older than what it corrects."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.lake.local import LocalLake
from spine_assets.otc.captures import pins
from spine_assets.otc.captures.model import moment_after

WEEK, KEY = date(2025, 11, 21), (Tier.OTC, VenueClass.ATS)
NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)
AHEAD = datetime(2027, 1, 20, 12)  # noqa: DTZ001 (stored so)


def test_a_clock_that_went_back_is_named_and_overruled(caplog: pytest.LogCaptureFixture) -> None:
    assert moment_after([], NOW) == moment_after([NOW.replace(tzinfo=None)], NOW) == NOW
    assert caplog.text == ""
    with caplog.at_level(logging.WARNING):
        moment = moment_after([AHEAD], NOW)
    assert moment == AHEAD.replace(tzinfo=UTC) + timedelta(microseconds=1)
    assert "the clock says 2026-01-20 12:00:00 UTC" in caplog.text


def test_the_later_of_two_decisions_counts_although_the_clock_went_back(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path / "lake")
    pins.add(lake, WEEK, KEY, "first", AHEAD.replace(tzinfo=UTC))
    pins.add(lake, WEEK, KEY, "second", NOW)
    assert pins.chosen(pins.stored(lake, WEEK)) == {KEY: "second"}
