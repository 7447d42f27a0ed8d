"""What a sensor compares: files, captures and the day; and the weeks that have something new."""

from __future__ import annotations

from datetime import date, timedelta

from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.pending import state, uncaptured
from spine_assets.otc.delivery.listing import Glance
from spine_assets_tests.conftest import WEEK, House, delivered, line

DAY = date(2026, 1, 20)
FILES = Glance(1, "one")
CAPTURED = {WEEK: {("OTC", "ATS", "venues", "0123456789ab")}}


def test_the_state_changes_with_files_captures_and_the_day() -> None:
    """A file that was refused for a date in the future may be usable on the next day."""
    other = {WEEK: {("OTC", "ATS", "venues", "ba9876543210")}}
    states = [
        state(FILES, CAPTURED, DAY),
        state(Glance(1, "two"), CAPTURED, DAY),
        state(FILES, other, DAY),
        state(FILES, CAPTURED, DAY + timedelta(days=1)),
    ]
    assert len({*states}) == 4
    assert state(FILES, dict(CAPTURED), DAY) == states[0]


def test_weeks_with_a_file_that_is_not_captured_are_named_oldest_first(house: House) -> None:
    earlier = WEEK - timedelta(weeks=1)
    house.drop("b.csv", delivered(line("AAAA")))
    house.drop("a.csv", delivered(line("AAAA", updated="2025-12-15")))

    def weeks() -> list[date]:
        found = uncaptured(house.scan(), captures.names(house.lake))
        return [item.week_ending for item in found]

    assert weeks() == [earlier, WEEK]
    house.built(week=earlier)
    assert weeks() == [WEEK]
    house.built()
    assert weeks() == []
