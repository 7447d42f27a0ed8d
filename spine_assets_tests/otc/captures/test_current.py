"""Which capture is current and why, and the steps by which captures displaced one another."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.captures import pins
from spine_assets.otc.captures.current import Arriving, WeekCaptures, current_captures
from spine_assets.otc.captures.model import Capture
from spine_assets.otc.captures.pins import Pin, PinAction
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


def pin(item: Capture, hours: int = 2, action: PinAction = PinAction.PIN) -> Pin:
    """A decision about a capture, some hours after noon."""
    return Pin(WEEK, *KEY, item.capture_id, NOON + timedelta(hours=hours), action)


def retract(item: Capture, hours: int = 2) -> Pin:
    return pin(item, hours, PinAction.RETRACT)


def release(hours: int = 3) -> Pin:
    return Pin(WEEK, *KEY, "", NOON + timedelta(hours=hours), PinAction.RELEASE)


@pytest.mark.parametrize(
    ("captures", "decided", "current"),
    [
        ([FIRST, LATER], [], LATER),
        ([UPDATED, LATER, FIRST], [], UPDATED),
        ([UPDATED, LATER, FIRST], [pin(FIRST)], FIRST),
        ([UPDATED, LATER, FIRST], [pin(LATER)], LATER),
        ([UPDATED, LATER, FIRST], [pin(LATER), release()], UPDATED),
        ([UPDATED, LATER, FIRST], [retract(UPDATED)], LATER),
        ([UPDATED, LATER, FIRST], [retract(UPDATED), pin(UPDATED, 3)], UPDATED),
        ([UPDATED, LATER, FIRST], [pin(FIRST), retract(FIRST, 3)], UPDATED),
        ([UPDATED, LATER, FIRST], [retract(UPDATED), retract(LATER)], FIRST),
        ([FIRST], [retract(FIRST)], None),
        ([FIRST], [retract(FIRST), release()], None),
        ([FIRST, replace(UPDATED, keys=8)], [], FIRST),
        ([FIRST, replace(UPDATED, keys=9)], [], replace(UPDATED, keys=9)),
        ([FIRST, replace(UPDATED, keys=8)], [pin(UPDATED)], replace(UPDATED, keys=8)),
        ([FIRST, replace(UPDATED, keys=8)], [retract(FIRST)], replace(UPDATED, keys=8)),
        ([FIRST, replace(UPDATED, keys=12)], [], replace(UPDATED, keys=12)),
    ],
)
def test_the_latest_update_of_the_full_captures_is_current_unless_a_person_decides(
    captures: list[Capture], decided: list[Pin], current: Capture | None
) -> None:
    for order in permutations(captures):
        found = current_captures(order, decided)
        assert found == ({} if current is None else {KEY: current})


@pytest.mark.parametrize(
    ("item", "others", "decided", "state"),
    [
        (FIRST, [], [], "current: no other is as full"),
        (UPDATED, [FIRST], [], "current: latest update: updated on 2025-12-23, the other on"),
        (LATER, [FIRST], [], "current: latest update: of two that were updated on 2025-12-22 it"),
        (FIRST, [LATER], [], "older: the current one is preferred: of two that were updated on"),
        (LATER, [UPDATED], [], "older: the current one is preferred: updated on 2025-12-23"),
        (FIRST, [UPDATED], [pin(FIRST)], "pinned: a person chose it"),
        (UPDATED, [FIRST], [pin(FIRST)], "older: another is pinned"),
        (FIRST, [UPDATED], [retract(FIRST)], "retracted: a person took it out"),
        (
            replace(UPDATED, keys=8),
            [FIRST],
            [],
            "waiting: it has 8 rows of symbol and venue, the fullest capture 10",
        ),
        (
            replace(FIRST, sha256="0" * 64),
            [replace(FIRST, capture_id="twin")],
            [],
            "older: the current one is preferred: both were updated on 2025-12-22 and captured at "
            "one time, so their hashes decide",
        ),
    ],
)
def test_the_state_of_a_capture_and_its_reason_are_named(
    item: Capture, others: list[Capture], decided: list[Pin], state: str
) -> None:
    found, why = WeekCaptures((item, *others), tuple(decided)).state(item)
    assert f"{found}: {why}".startswith(state)


events = st.lists(
    st.tuples(
        st.sampled_from([*PinAction, "capture"]),
        st.integers(0, 4),  # which capture, and its hash
        st.integers(1, 20),  # its keys
        st.integers(0, 2),  # the day of its update
    ),
    min_size=1,
    max_size=8,
)


def replayed(made: list[tuple[str, int, int, int]]) -> tuple[list[Capture], list[Pin]]:
    """Captures and decisions, one an hour."""
    known: dict[str, Capture] = {}
    decided = []
    for hour, (kind, number, keys, day) in enumerate(made):
        name, at = f"c{number}", NOON + timedelta(hours=hour)
        if kind == "capture":
            update = MONDAY + timedelta(days=day)
            item = replace(FIRST, capture_id=name, sha256=f"{number}" * 64, keys=keys)
            known.setdefault(name, replace(item, last_update_date=update, captured_at=at))
        else:
            chosen = "" if kind is PinAction.RELEASE else name
            decided.append(Pin(WEEK, *KEY, chosen, at, PinAction(kind)))
    return [*known.values()], decided


@given(events, st.randoms(use_true_random=False))
def test_which_capture_is_current_depends_on_no_order_and_a_part_never_is_unless_pinned(
    made: list[tuple[str, int, int, int]], random: Random
) -> None:
    known, decided = replayed(made)
    current = current_captures(known, decided).get(KEY)
    random.shuffle(known)
    random.shuffle(decided)
    assert current_captures(known, decided).get(KEY) == current
    out = {name for _, name in pins.retracted(decided)}
    standing = [item for item in known if item.capture_id not in out]
    if current is None:
        assert standing == []
    elif pins.chosen(decided).get(KEY) != current.capture_id:
        assert current in standing
        assert 10 * current.keys >= 9 * max(item.keys for item in standing)


@given(events)
def test_captures_and_decisions_one_by_one_give_what_all_of_them_give(
    made: list[tuple[str, int, int, int]],
) -> None:
    known, decided = replayed(made)
    arriving = Arriving()
    every: list[Capture | Pin] = [*known, *decided]
    for item in sorted(every, key=_moment):
        arriving.decide(item) if isinstance(item, Pin) else arriving.add(item)
        until = _moment(item)
        assert arriving.current == current_captures(
            [one for one in known if _moment(one) <= until],
            [one for one in decided if _moment(one) <= until],
        )


def _moment(item: Capture | Pin) -> datetime:
    return item.pinned_at if isinstance(item, Pin) else item.captured_at


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
    decided = Pin(WEEK, *KEY, "first", LATER.captured_at)
    found = [(step.before, step.after) for step in steps([FIRST, LATER], [decided])]
    assert found == [(FIRST, LATER), (LATER, FIRST)]


def test_a_part_that_comes_with_the_whole_is_no_step() -> None:
    part = replace(FIRST, capture_id="part", keys=2, last_update_date=TUESDAY)
    earlier = replace(part, last_update_date=MONDAY, sha256="0" * 64)
    for known in ([part, FIRST], [earlier, FIRST]):
        assert steps(known, []) == []


def test_steps_go_on_where_everything_was_retracted_for_a_time() -> None:
    later = replace(UPDATED, captured_at=NOON + timedelta(hours=5))
    found = steps([FIRST, later], [retract(FIRST)])
    assert [(step.before, step.after) for step in found] == [(FIRST, later)]
