"""Figures that Dagster plots, against figures computed by hand."""

from __future__ import annotations

from spine_assets.otc.tables import run_figures
from spine_assets_tests.conftest import House, delivered, line

LINES = (
    line("AAAA", shares="300", trades="3"),
    line("AAAA", "OTCN", "100", "2", name="OTCN OTC LINK NQB IDQS"),
    line("BBBB", shares="100", trades="5"),
    line("", shares="7"),
)


def test_figures_of_a_week_are_those_of_its_rows(house: House) -> None:
    house.drop("week_ending=2025-11-21/otc.csv", delivered(*LINES))
    house.built()
    shares = run_figures.of_venue_share(house.table("otc_venue_share"))
    assert (shares["hhi"], shares["hhi_high"]) == (0.68, 0.68)  # 0.8 and 0.2 squared
    assert (shares["top_mpid"], shares["top_share_pct"], shares["venues"]) == ("OTCX", 80.0, 2)
    assert [(row["rank"], row["mpid"], row["total_volume"]) for row in shares["top_venues"]] == [
        (1, "OTCX", 400),
        (2, "OTCN", 100),
    ]
    venues = run_figures.of_venue_volume(house.table("otc_venue_volume"))
    assert venues == {
        "trades": 10,
        "symbols": 2,
        "venues": 2,
        "avg_trade_size": 50.0,
        "ats_pct": None,
    }
    summary = run_figures.of_symbol_summary(house.table("otc_symbol_summary"))
    assert (summary["trades"], summary["single_venue_pct"]) == (10, 50.0)
    assert [row["symbol"] for row in summary["top_symbols"]] == ["AAAA", "BBBB"]
    rejects = run_figures.of_rejects(house.table("otc_rejects"))
    assert rejects["BLANK_SYMBOL"] == 1
    (reason,) = rejects["by_reason"]
    assert (reason["stage"], reason["lines"], reason["shares"]) == ("rule", 1, 7)
    assert "totals still reconcile" in reason["advice"]


def test_ats_part_is_told_where_each_loaded_tier_has_both_classes(house: House) -> None:
    house.drop("week_ending=2025-11-21/ats.csv", delivered(line(shares="30")))
    house.drop(
        "week_ending=2025-11-21/firms.csv", delivered(line(mpid="", shares="70", name="ACME LLC"))
    )
    house.built()
    assert run_figures.of_venue_volume(house.table("otc_venue_volume"))["ats_pct"] == 30.0


def test_figures_of_no_rows_are_not_known(house: House) -> None:
    house.drop("week_ending=2025-11-21/otc.csv", delivered(line(shares="0", trades="0")))
    house.built()
    shares = run_figures.of_venue_share(house.table("otc_venue_share"))
    assert (shares["hhi"], shares["top_share_pct"]) == (None, None)
    assert run_figures.of_restatements(house.table("otc_restatements")) == {
        "largest_change_pct": 0.0
    }
    assert run_figures.of_rejects(house.table("otc_rejects")) == {}
