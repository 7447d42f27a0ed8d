"""Which capture is current and why, and the steps by which captures displaced one another."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.captures.current import current_captures, why_current
from spine_assets.otc.captures.model import Capture
from spine_assets.otc.captures.pins import Pin
from spine_assets.otc.captures.steps import steps
from spine_assets_tests.conftest import NOW, WEEK
from spine_assets_tests.support.captures import capture

KEY = (Tier.OTC, VenueClass.ATS)
MONDAY, TUESDAY = date(2025, 12, 22), date(2025, 12, 23)
NOON = NOW.replace(tzinfo=None)  # as captures have it
FIRST = capture("first", last_update_date=MONDAY)
LATER = capture(
    "later", last_update_date=MONDAY, sha256="e" * 64, captured_at=NOON + timedelta(hours=1)
)
UPDATED = capture("updated", sha256="d" * 64, last_update_date=TUESDAY)


@pytest.mark.parametrize(
    ("captures", "pinned", "current"),
    [
        ([FIRST, LATER], None, LATER),
        ([UPDATED, LATER, FIRST], None, UPDATED),
        ([UPDATED, LATER, FIRST], FIRST, FIRST),
        ([UPDATED, LATER, FIRST], LATER, LATER),
    ],
)
def test_the_latest_update_is_current_unless_another_is_pinned(
    captures: list[Capture], pinned: Capture | None, current: Capture
) -> None:
    chosen = {} if pinned is None else {KEY: pinned.capture_id}
    assert current_captures(captures, chosen) == {KEY: current}


@pytest.mark.parametrize(
    ("item", "current", "pinned", "why"),
    [
        (UPDATED, UPDATED, None, "yes: latest update"),
        (FIRST, FIRST, FIRST, "yes: pinned"),
        (UPDATED, FIRST, FIRST, "no: another is pinned"),
        (LATER, UPDATED, None, "no: an update is later"),
        (FIRST, LATER, None, "no: another of that date was captured later"),
        (FIRST, LATER, UPDATED, "no: another of that date was captured later"),
    ],
)
def test_the_reason_is_named(
    item: Capture, current: Capture, pinned: Capture | None, why: str
) -> None:
    chosen = {} if pinned is None else {KEY: pinned.capture_id}
    assert why_current(item, current, chosen) == why


def test_rejected_lines_of_all_reasons_are_counted() -> None:
    assert replace(FIRST, rejects={"NOT_A_NUMBER": 3, "BAD_DATE": 1}).reject_lines == 4


def test_captures_of_one_moment_displace_one_another_in_the_order_of_their_updates() -> None:
    """Whatever their ids and the order in which they are listed."""
    days = [MONDAY, TUESDAY, date(2025, 12, 24)]
    one, two, three = (
        replace(FIRST, capture_id=name, last_update_date=day)
        for name, day in zip(("bbb", "ccc", "aaa"), days, strict=True)
    )
    for known in ([one, two, three], [three, two, one]):
        found = [(step.before, step.after, step.at) for step in steps(known, [])]
        assert found == [(one, two, NOON), (two, three, NOON)]


def test_a_pin_of_the_moment_of_a_capture_comes_after_it() -> None:
    pin = Pin(WEEK, *KEY, "first", LATER.captured_at)
    found = [(step.before, step.after) for step in steps([FIRST, LATER], [pin])]
    assert found == [(FIRST, LATER), (LATER, FIRST)]
