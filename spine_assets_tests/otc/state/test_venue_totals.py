"""Totals of earlier weeks are read once, and again where their file was replaced."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from spine_assets.otc.state.venue_totals import VenueTotals
from spine_assets_tests.conftest import NOW, REVISED, WEEK, House, delivered, line


def test_totals_follow_the_stored_file(house: House) -> None:
    kept = VenueTotals()

    def shares() -> dict[str, Decimal]:
        found = kept.of(house.lake, WEEK)
        assert found is not None
        return dict(found.select("mpid", "share_volume").iter_rows())

    assert kept.of(house.lake, WEEK) is None
    house.drop("otc.csv", delivered(line("AAAA"), line("BBBB"), line("AAAA", "OTCN", "7")))
    house.built()
    assert shares() == {"OTCX": 200, "OTCN": 7}
    changed = (line("AAAA", shares="90", updated=REVISED), line("BBBB"), line("CCCC"))
    house.drop("corrected.csv", delivered(*changed))
    house.built(now=NOW + timedelta(days=1))
    assert shares() == {"OTCX": 290}


def test_totals_that_a_build_kept_are_not_read(house: House) -> None:
    house.drop("otc.csv", delivered(line("AAAA")))
    house.built()
    kept = VenueTotals()
    found = kept.of(house.lake, WEEK)
    assert found is not None
    kept.keep(house.lake, WEEK, found.clear())
    again = kept.of(house.lake, WEEK)
    assert again is not None
    assert again.is_empty()
