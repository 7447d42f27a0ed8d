"""What the checks of figures let pass, to the last unit, and that they look both ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import polars as pl
import pytest

from spine_assets.core.table_schema import polars_schema
from spine_assets.otc.build import builders
from spine_assets.otc.build.week_inputs import choose_captures
from spine_assets.otc.checks import raw as raw_checks
from spine_assets.otc.checks.context import CheckContext
from spine_assets.otc.state.results import Severity, WeekResult
from spine_assets.otc.tables import raw, restatements, venue_volume
from spine_assets_tests.conftest import (
    NOW,
    PUBLISHED_TIER_1,
    REVISED,
    SHARES,
    VENUES,
    WEEK,
    House,
    check_of,
    delivered,
    line,
)

LATER = NOW + timedelta(days=1)
RESTATEMENTS = "otc_restatements"
BEFORE = "2025-12-15"  # publication day of tier 2 and OTC of the week before


def two_weeks(house: House, before: bytes, now: bytes, *, weeks_back: int = 1) -> WeekResult:
    """WEEK, built after an earlier one."""
    earlier = WEEK - timedelta(weeks=weeks_back)
    house.drop(f"week_ending={earlier}/otc.csv", before)
    house.built(week=earlier)
    house.drop("week_ending=2025-11-21/otc.csv", now)
    return house.built()


@pytest.mark.parametrize(
    ("sound", "severity"), [(98, Severity.WARN), (97, Severity.ERROR), (197, Severity.WARN)]
)
def test_up_to_one_percent_of_rejects_is_a_warning(
    house: House, sound: int, severity: Severity
) -> None:
    """Lines are counted with the header: one reject of 100, of 99, and of 199 lines."""
    house.drop("otc.csv", delivered(*(line(f"S{n}") for n in range(sound)), line("")))
    check = check_of(house.built(), "otc_raw", "rejects")
    assert (check.passed, check.severity) == (False, severity)


@pytest.mark.parametrize(
    ("changed", "missing"),
    [({"lines_counted": 4}, (1, "0")), ({"file_shares": Decimal("200.5")}, (0, "0.5"))],
)
def test_lines_and_shares_must_both_be_accounted_for(
    house: House, changed: dict[str, object], missing: tuple[int, str]
) -> None:
    """Of two rows of 100 shares and a header, the file had more."""
    house.drop("otc.csv", delivered(line("AAAA"), line("BBBB")))
    run = house.workplace()
    inputs = choose_captures(WEEK, [raw.TABLE.name], run, capture=True)
    (capture,) = inputs.known.captures
    spoiled = replace(inputs.known, captures=(replace(capture, **changed),))  # type: ignore[arg-type]
    context = CheckContext(run, replace(inputs, known=spoiled), raw.TABLE)
    result = raw_checks.conservation(context)
    assert not result.passed
    (sample,) = result.samples
    assert (sample["lines_missing"], sample["shares_missing"]) == missing


@pytest.mark.parametrize(("shares", "is_odd"), [("20000000", False), ("20000001", True)])
def test_a_trade_of_ten_million_shares_is_not_odd(house: House, shares: str, is_odd: bool) -> None:
    house.drop("otc.csv", delivered(line(shares=shares, trades="2")))
    assert check_of(house.built(), VENUES, "volumes").passed is not is_odd


@pytest.mark.parametrize("weeks_back", [4, 5])
def test_weeks_are_compared_over_four_weeks_at_most(house: House, weeks_back: int) -> None:
    day = f"{WEEK + timedelta(days=31 - 7 * weeks_back):%Y-%m-%d}"
    result = two_weeks(
        house, delivered(line(updated=day)), delivered(line(shares="900")), weeks_back=weeks_back
    )
    for table, check in ((VENUES, "continuity"), (SHARES, "share_shift")):
        found = check_of(result, table, check)
        assert ("against" in found.facts) is (weeks_back == 4)
    assert check_of(result, VENUES, "continuity").passed is (weeks_back == 5)


def test_venues_that_are_new_are_no_loss(house: House) -> None:
    now = (line(mpid=mpid, shares=shares) for mpid, shares in (("OTCX", "100"), ("NEWA", "1")))
    result = two_weeks(house, delivered(line(updated=BEFORE)), delivered(*now))
    continuity = check_of(result, VENUES, "continuity")
    assert continuity.passed
    assert (continuity.facts["venues_before"], continuity.facts["venues"]) == (1, 2)


def test_a_tier_that_only_the_earlier_week_has_is_not_compared(house: House) -> None:
    house.drop(
        "tier1.csv",
        delivered(line("AAAA", "UBSA", "900", tier="NMS Tier 1", updated="2025-12-01")),
    )
    result = two_weeks(house, delivered(line(updated=BEFORE)), delivered(line()))
    continuity = check_of(result, VENUES, "continuity")
    assert continuity.passed
    assert (continuity.facts["venues_before"], continuity.facts["volume_change_pct"]) == (1, 0)


def test_a_venue_that_only_loses_shares_is_named(house: House) -> None:
    """It falls from 40 to 20 percent of its class; three others win less than ten points each."""
    before = (("BIGA", "40"), ("ONEA", "20"), ("TWOA", "20"), ("TRIA", "20"))
    now = (("BIGA", "20"), ("ONEA", "27"), ("TWOA", "27"), ("TRIA", "26"))
    result = two_weeks(
        house,
        delivered(*(line(mpid=mpid, shares=shares, updated=BEFORE) for mpid, shares in before)),
        delivered(*(line(mpid=mpid, shares=shares) for mpid, shares in now)),
    )
    check = check_of(result, SHARES, "share_shift")
    assert not check.passed
    assert [row["mpid"] for row in check.samples] == ["BIGA"]
    assert check.facts["largest_move_points"] == -20


def test_a_share_is_that_of_the_venues_class(house: House) -> None:
    """Firms outside ATSs trade ten times as much as before; each ATS keeps its part of ATSs."""
    firms = [line("AAAA", "", shares, name="ACME LLC") for shares in ("100", "140")]
    house.drop(
        "week_ending=2025-11-14/firms.csv", delivered(firms[0].replace("2025-12-22", BEFORE))
    )
    house.drop("week_ending=2025-11-21/firms.csv", delivered(firms[1]))
    both = [line("AAAA", "OTCX", "50"), line("AAAA", "OTCN", "50")]
    before = (row.replace("2025-12-22", BEFORE) for row in both)
    check = check_of(two_weeks(house, delivered(*before), delivered(*both)), SHARES, "share_shift")
    assert check.facts["largest_move_points"] == 0


def test_shares_that_are_in_no_row_block(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many rows as delivered, with fewer shares."""
    house.drop("otc.csv", delivered(line("AAAA"), line("BBBB")))
    sound, kind = venue_volume.build, polars_schema(venue_volume.TABLE)["share_volume"]
    fewer = (pl.col("share_volume") - 1).cast(kind)
    monkeypatch.setattr(
        venue_volume, "build", lambda *args: sound(*args).with_columns(share_volume=fewer)
    )
    result = house.build()
    check = check_of(result, VENUES, "reconciles")
    assert (check.passed, check_of(result, VENUES, "schema").passed) == (False, True)
    assert "2.000000 shares" in check.summary
    assert f"{VENUES} was not published" in str(result.error)


Spoil = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda frame: frame.with_columns(pl.col("total_trades") + 1),
        lambda frame: frame.with_columns(pl.col("symbol_count") + 1),
    ],
    ids=["trades", "symbols"],
)
def test_wrong_counts_of_a_venue_block(
    house: House, monkeypatch: pytest.MonkeyPatch, spoil: Spoil
) -> None:
    house.drop("otc.csv", delivered(line("AAAA"), line("BBBB")))
    sound = builders.BUILDERS[SHARES]
    monkeypatch.setitem(builders.BUILDERS, SHARES, lambda *args: spoil(sound(*args)))
    result = house.build()
    assert f"{SHARES} was not published" in str(result.error)
    assert not check_of(result, SHARES, "reconciles").passed


class TestSizeOfARestatement:
    def size(self, house: House, first: list[str], second: list[str]) -> tuple[bool, str]:
        house.drop("first.csv", delivered(*first))
        house.built()
        house.drop("week_ending=2025-11-21/second.csv", delivered(*second))
        check = check_of(house.built(now=LATER), RESTATEMENTS, "size")
        return check.passed, check.summary

    def test_removed_rows_are_touched_rows(self, house: House) -> None:
        """2 of 20 rows go and one is new, each with 1 of 2,001 shares."""
        rows = [line(f"S{n:02}", shares="1") for n in range(19)] + [line("BIG", shares="1982")]
        second = [row.replace("2025-12-22", REVISED) for row in [*rows[2:], line("N", shares="1")]]
        passed, summary = self.size(house, rows, second)
        assert not passed
        assert "OTC ATS -0.0% shares, 15.0% of rows" in summary

    def test_fewer_shares_are_a_change_too(self, house: House) -> None:
        rows = [line(f"S{n:02}") for n in range(20)]
        passed, summary = self.size(
            house, rows, [line("S00", shares="1", updated=REVISED), *rows[1:]]
        )
        assert passed, summary  # 99 of 2,000 shares: 4.95 percent
        house.drop(
            "week_ending=2025-11-21/third.csv",
            delivered(line("S00", shares="1", updated="2026-01-05"), *rows[2:]),
        )
        check = check_of(house.built(now=LATER + timedelta(hours=1)), RESTATEMENTS, "size")
        assert "OTC ATS -5.3% shares, 5.0% of rows" in check.summary

    def test_shares_where_there_were_none_are_a_change_too(self, house: House) -> None:
        rows = [line(f"S{n:02}", shares="0", trades="0") for n in range(20)]
        passed, summary = self.size(house, rows, [line("S00", updated=REVISED), *rows[1:]])
        assert not passed
        assert "OTC ATS other shares, 5.0% of rows" in summary


@pytest.mark.parametrize(
    "spoil",
    [
        lambda frame: frame.with_columns(from_capture_id=_second("from_capture_id", "another")),
        lambda frame: frame.with_columns(
            rows_before=_second("rows_before", 7), rows_removed=_second("rows_removed", 5)
        ),
        lambda frame: frame.with_columns(shares_before=_second("shares_before", 1)),
    ],
    ids=["capture", "rows", "shares"],
)
def test_a_step_that_does_not_begin_where_the_one_before_it_ended_blocks(
    house: House, monkeypatch: pytest.MonkeyPatch, spoil: Spoil
) -> None:
    for number, shares in enumerate(("100", "101", "102")):
        house.drop(f"{number}.csv", delivered(line("AAAA", shares=shares), line("BBBB")))
        house.built(now=NOW + timedelta(hours=number))
    sound = builders.HISTORY_BUILDERS[RESTATEMENTS]
    assert house.table(RESTATEMENTS).height == 2
    monkeypatch.setitem(builders.HISTORY_BUILDERS, RESTATEMENTS, lambda *args: spoil(sound(*args)))
    result = house.build(now=LATER, force=True)
    assert not check_of(result, RESTATEMENTS, "reconciles").passed


def _second(column: str, value: object) -> pl.Expr:
    """A column whose second step has another value."""
    changed = pl.lit(value).cast(polars_schema(restatements.TABLE)[column])
    return pl.when(pl.col("step") == 2).then(changed).otherwise(pl.col(column))


def test_a_tier_that_arrives_later_is_no_restatement(house: House) -> None:
    house.drop("otc.csv", delivered(line()))
    house.built()
    house.drop("tier1.csv", delivered(line(tier="NMS Tier 1", updated=PUBLISHED_TIER_1)))
    check = check_of(house.built(now=LATER), RESTATEMENTS, "size")
    assert (check.passed, check.summary) == (True, "never restated")
