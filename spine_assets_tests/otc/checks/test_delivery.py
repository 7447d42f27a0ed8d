"""The check `delivery` at its limits: which files look cut, which classes miss, who has decided."""

from __future__ import annotations

from datetime import timedelta

import pytest

from spine_assets.core.weeks import Tier, VenueClass, publication_day
from spine_assets.otc.captures import pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.state.results import Severity, WeekResult
from spine_assets_tests.conftest import (
    NOW,
    PUBLISHED,
    PUBLISHED_TIER_1,
    REVISED,
    WEEK,
    House,
    check_of,
    delivered,
    line,
    with_columns,
)

LATER = NOW + timedelta(days=1)
OTC_ATS = (Tier.OTC, VenueClass.ATS)


def findings(result: WeekResult, kind: str) -> dict[str, str]:
    """What the check found of a kind, with its detail."""
    samples = check_of(result, "otc_raw", "delivery").samples
    return {row["what"]: row["detail"] for row in samples if row["finding"] == kind}


def deliver(house: House, name: str, *rows: str) -> None:
    """A file of WEEK, whenever its rows were updated."""
    house.drop(f"week_ending={WEEK}/{name}", delivered(*rows))


def named(found: dict[str, str]) -> set[str]:
    """Names of files, without their folder."""
    return {name.rpartition("/")[2] for name in found}


def lines(count: int, *, updated: str = PUBLISHED, first: str = "S") -> list[str]:
    return [line(f"{first}{number:02}", updated=updated) for number in range(count)]


def build_earlier(house: House, weeks_back: int, rows: int, tier: str = "OTC") -> None:
    """A week before WEEK with so many rows."""
    week = WEEK - timedelta(weeks=weeks_back)
    (found,) = [item for item in Tier if item.description == tier]
    day = str(publication_day(week, found))
    house.drop(
        f"week_ending={week}/{tier}.csv",
        delivered(*(line(f"S{number:02}", updated=day, tier=tier) for number in range(rows))),
    )
    house.built(week=week)


@pytest.mark.parametrize(("rows", "is_cut"), [(5, False), (4, True)])
def test_a_file_with_half_the_rows_of_recent_weeks_is_whole(
    house: House, rows: int, is_cut: bool
) -> None:
    build_earlier(house, 1, 10)
    deliver(house, "otc.csv", *lines(rows))
    assert bool(findings(house.built(), "truncated_file")) is is_cut


def test_recent_weeks_are_the_four_before_the_week(house: House) -> None:
    """Neither an older one nor one that was loaded before it."""
    for weeks_back, rows in ((5, 90), (4, 2), (3, 2), (2, 2), (1, 2), (-1, 90)):
        build_earlier(house, weeks_back, rows)
    deliver(house, "otc.csv", *lines(2))
    assert findings(house.built(), "truncated_file") == {}


def test_a_class_misses_only_in_a_tier_that_has_arrived(house: House) -> None:
    build_earlier(house, 1, 2, "OTC")
    build_earlier(house, 1, 2, "NMS Tier 1")
    deliver(house, "otc.csv", *lines(2))
    result = house.built()
    assert findings(result, "class_missing") == {}
    assert set(findings(result, "tier_overdue")) == {"NMS_TIER_1", "NMS_TIER_2"}


@pytest.mark.parametrize(("left", "waits"), [(9, False), (8, True)])
def test_a_correction_may_lack_a_tenth_of_the_rows(house: House, left: int, waits: bool) -> None:
    deliver(house, "first.csv", *lines(10))
    house.built()
    deliver(house, "second.csv", *lines(left, updated=REVISED))
    result = house.built(now=LATER)
    assert findings(result, "truncated_file") == {}
    assert named(findings(result, "capture_waiting")) == ({"second.csv"} if waits else set())


def test_a_correction_with_other_rows_is_told(house: House) -> None:
    """It has as many rows, and lacks more than a tenth of those before."""
    deliver(house, "first.csv", *lines(10))
    house.built()
    deliver(house, "second.csv", *lines(8, updated=REVISED), *lines(2, first="X", updated=REVISED))
    assert named(findings(house.built(now=LATER), "truncated_file")) == {"second.csv"}


def test_a_correction_is_held_against_the_capture_that_it_replaces(house: House) -> None:
    """The first one had other rows; the second one, which it replaces, has the same."""
    deliver(house, "first.csv", *lines(2), *lines(8, first="X"))
    house.built()
    deliver(house, "second.csv", *lines(10, updated=REVISED))
    assert findings(house.built(now=LATER), "truncated_file")
    deliver(house, "third.csv", *lines(10, updated="2026-01-05"))
    assert findings(house.built(now=LATER + timedelta(days=1)), "truncated_file") == {}


def test_a_firm_is_known_by_its_crd_number_whatever_its_name(house: House) -> None:
    header = with_columns(firmCRDNumber="")[0]
    for name, now in (("ACME LLC", NOW), ("ACME HOLDINGS", LATER)):
        rows = [f"{line(f'S{n}', '', name=name)}|1234" for n in range(10)]
        house.drop(f"{name}.csv", delivered(*rows, header=header))
        result = house.built(now=now)
    assert findings(result, "truncated_file") == {}


def test_a_last_line_is_cut_in_the_file_that_ends_in_it(house: House) -> None:
    """Another file has a rejected line of that number."""
    house.drop("otc.csv", delivered(line("AAAA"), line("BBBB"))[:-1])
    firms = (line("AAAA", "", name="ACME LLC"), line("BBBB", "", "x", name="ACME LLC"))
    deliver(house, "firms.csv", *firms, line("CCCC", "", name="ACME LLC"))
    assert findings(house.built(), "truncated_file") == {}


def test_a_decision_counts_for_captures_until_then(house: House) -> None:
    """Whoever pinned the first capture has not seen the third."""
    deliver(house, "first.csv", line("AAAA", updated=REVISED))
    house.built()
    (first,) = captures.stored(house.lake, WEEK)
    deliver(house, "second.csv", line("AAAA", shares="7"))
    house.built(now=LATER)
    pins.add(house.lake, WEEK, OTC_ATS, first.capture_id, LATER)
    assert findings(house.built(now=LATER), "capture_not_current") == {}
    deliver(house, "third.csv", line("AAAA", shares="8"))
    result = house.built(now=LATER + timedelta(hours=1))
    assert named(findings(result, "capture_not_current")) == {"third.csv"}


def test_a_decision_about_one_tier_is_none_about_another(house: House) -> None:
    deliver(house, "tier1.csv", line(tier="NMS Tier 1", updated=PUBLISHED_TIER_1))
    deliver(house, "otc.csv", line("AAAA", updated=REVISED))
    house.built()
    (tier_1,) = [item for item in captures.stored(house.lake, WEEK) if item.tier != Tier.OTC]
    deliver(house, "old.csv", line("AAAA", shares="7"))
    pins.add(house.lake, WEEK, tier_1.key, tier_1.capture_id, LATER + timedelta(hours=1))
    assert named(findings(house.built(now=LATER), "capture_not_current")) == {"old.csv"}


def test_what_is_late_or_cut_is_a_warning_that_publishes(house: House) -> None:
    house.drop("otc.csv", delivered(line("AAAA"), line("BBBB"))[:-3])
    check = check_of(house.built(), "otc_raw", "delivery")
    assert (check.passed, check.severity, check.blocking) == (False, Severity.WARN, False)
