"""Largest symbols and movers, against figures computed by hand."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest

from spine_assets.report import symbols
from spine_assets.report.pair import Pair
from spine_assets_tests.report.test_market import ATS, BEFORE, NON_ATS, OTC, T1, WEEK, totals

Row = tuple[str, str, str, str]


def summary(*rows: Row) -> pl.DataFrame:
    """Rows of `otc_symbol_summary` as told: tier, symbol, ATS and non-ATS shares."""
    volume = pl.Decimal(28, 6)
    typed = [
        (tier, symbol, Decimal(ats) + Decimal(non_ats), Decimal(ats), Decimal(non_ats))
        for tier, symbol, ats, non_ats in rows
    ]
    names = ("total_volume", "ats_volume", "non_ats_volume")
    schema = [("tier", pl.String()), ("symbol", pl.String()), *((name, volume) for name in names)]
    return pl.DataFrame(typed, schema=schema, orient="row")


BOTH = ((T1, ATS, "AAAA", "1"), (T1, NON_ATS, "CRD1", "1"))
ALIKE = Pair(totals(WEEK, *BOTH), totals(BEFORE, *BOTH))


def test_movers_are_the_largest_changes_in_shares_of_symbols_in_both_weeks() -> None:
    now = summary(
        (T1, "UP", "100", "50"),
        (T1, "DOWN", "0", "10"),
        (T1, "SAME", "5", "5"),
        (T1, "NEW", "7", "0"),
    )
    then = summary(
        (T1, "UP", "100", "0"),
        (T1, "DOWN", "60", "30"),
        (T1, "SAME", "5", "5"),
        (T1, "GONE", "8.5", "0"),
    )
    (found,) = symbols.by_tier(now, then, ALIKE, 10)
    assert [(row["symbol"], row["change"]) for row in found.movers] == [("DOWN", -80), ("UP", 50)]
    assert found.movers[0]["change_pct"] == pytest.approx(100 * -80 / 90)
    assert (found.new, found.new_shares) == (1, Decimal(7))
    assert (found.gone, found.gone_shares) == (1, Decimal("8.5"))
    changes = {row["symbol"]: row["change_pct"] for row in found.top}
    assert changes == {"UP": 50.0, "SAME": 0.0, "DOWN": pytest.approx(-88.888889), "NEW": None}


def test_only_classes_of_both_weeks_are_compared() -> None:
    before = totals(BEFORE, (T1, ATS, "AAAA", "1"))
    now = summary((T1, "ABCD", "30", "1000"), (T1, "WXYZ", "0", "500"))
    (found,) = symbols.by_tier(now, summary((T1, "ABCD", "20", "0")), Pair(ALIKE.now, before), 10)
    ((mover),) = found.movers
    assert (mover["symbol"], mover["change"], mover["change_pct"]) == ("ABCD", 10, 50.0)
    # WXYZ has no row in what both have: it is neither new nor a mover.
    assert found.new == 0
    assert [row["total_volume"] for row in found.top] == [1030, 500]


def test_a_tier_that_was_not_loaded_is_not_compared() -> None:
    now = totals(WEEK, (T1, ATS, "AAAA", "1"), (OTC, ATS, "OTCX", "1"))
    frame = summary((T1, "ABCD", "1", "0"), (OTC, "PINK", "1", "0"))
    t1, otc = symbols.by_tier(
        frame, summary((T1, "ABCD", "1", "0")), Pair(now, totals(BEFORE, BOTH[0])), 5
    )
    assert (t1.compared, otc.compared) == (True, False)
    assert otc.top[0]["change_pct"] is None


def test_lists_hold_as_many_as_asked_and_ties_go_by_symbol() -> None:
    now = summary(*((T1, name, "10", "0") for name in "DCBA"))
    then = summary(*((T1, name, "4", "0") for name in "ABCD"))
    (found,) = symbols.by_tier(now, then, ALIKE, 2)
    assert [row["symbol"] for row in found.top] == ["A", "B"]
    assert [row["symbol"] for row in found.movers] == ["A", "B"]
    assert found.symbols == 4
