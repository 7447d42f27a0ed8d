"""The report and the views for analysis are written apart; where both tell a figure, they agree."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from spine_assets.core.weeks import weeks_between
from spine_assets.dev.sample.files import generate_week
from spine_assets.otc.state.build_context import RunContext
from spine_assets.otc.tables.registry import TABLES
from spine_assets.report import market, source, symbols
from spine_assets.warehouse.connection import connect
from spine_assets_tests.conftest import NOW, WEEK, House
from spine_assets_tests.report.conftest import BEFORE
from spine_assets_tests.support.recipe_world import (
    FIRST_BOTH,
    HOLIDAY,
    MIXED,
    ROWS,
    delivered,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    """Two whole weeks of all tiers and both classes; some files have firms by their names alone.

    The earlier week's non-ATS files are downloads, as is that of tier OTC in the later one.
    """
    house = House(tmp_path_factory.mktemp("house"))
    for week in weeks_between(BEFORE, WEEK):
        for file in generate_week(week, seed=7, rows=600, include_non_ats=True):
            is_download = "otc_nonats" in file.path and (week == BEFORE or "_otc." in file.path)
            house.drop(file.path, by_name(file.content) if is_download else file.content)
        house.built(week=week, now=NOW)
    return house.workplace()


def by_name(content: bytes) -> bytes:
    """The file without CRD numbers, with names that are spelled in another way."""
    header, *lines = (line.split("|") for line in gzip.decompress(content).decode().splitlines())
    name, crd = header.index("marketParticipantName"), header.index("firmCRDNumber")
    for line in lines:
        line[name], line[crd] = line[name].title().replace(",", "  "), ""
    return gzip.compress("\n".join("|".join(line) for line in (header, *lines)).encode())


@pytest.fixture(scope="module")
def views(place: RunContext) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(place.lake, TABLES) as connection:
        yield connection


@pytest.fixture(scope="module")
def told(place: RunContext) -> source.Source:
    return source.read(place, WEEK)


def rows(views: duckdb.DuckDBPyConnection, sql: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Rows of a query of the week by their first two columns."""
    found = views.execute(sql, {"week": WEEK}).fetchall()
    return {(row[0], row[1]): row[2:] for row in found}


def test_concentration(told: source.Source, views: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT tier, '', total_volume, venue_count, hhi, hhi_high, top_mpid, top_share_pct
        FROM otc_market_structure_in($week, $week)
    """
    found = rows(views, sql)
    mine = dict(market.concentrations(told.pair.now.frame))
    for scope in ("all", "NMS_TIER_1", "NMS_TIER_2", "OTC"):
        item = mine[scope]
        shares, venues, hhi, high, top, percent = found["ALL" if scope == "all" else scope, ""]
        assert (item.shares, item.venues, item.top_mpid) == (shares, venues, top)
        assert (item.hhi, item.hhi_high, item.top_share_pct) == pytest.approx((hhi, high, percent))


def test_ats_part(told: source.Source, views: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT tier, '', ats_volume, non_ats_volume, ats_share_pct
        FROM otc_market_structure_in($week, $week)
    """
    found = rows(views, sql)
    split = market.class_split(told.pair.now.frame)
    assert len(split) == len(found) == 4
    for row in split:
        ats, non_ats, percent = found["ALL" if row["scope"] == "all" else row["scope"], ""]
        assert (row["ats"], row["non_ats"]) == (ats, non_ats)
        assert row["ats_pct"] == pytest.approx(percent)


def test_a_firm_by_crd_and_by_name_is_one_venue(
    told: source.Source, views: duckdb.DuckDBPyConnection
) -> None:
    stored = views.execute("SELECT mpid FROM otc_venue_share WHERE week_ending = ?", [WEEK])
    by_name = [mpid for (mpid,) in stored.fetchall() if mpid.startswith("FIRM:")]
    assert len(by_name) > 3
    sql = """
        SELECT mpid, '', venue_name, total_volume, market_share_pct, class_share_pct, rank
        FROM otc_venue_trend_in($week, $week)
    """
    found = rows(views, sql)
    assert {(mpid, "") for mpid in told.shares["mpid"]} == set(found)
    assert not [mpid for mpid, _ in found if mpid.startswith("FIRM:")]
    for row in told.shares.iter_rows(named=True):
        name, volume, share, of_class, rank = found[row["mpid"], ""]
        assert told.venues.names[row["mpid"]] == row["venue_name"] == name
        assert (row["total_volume"], row["rank"]) == (volume, rank)
        assert (row["market_share_pct"], row["class_share_pct"]) == pytest.approx((share, of_class))
    (symbols,) = views.execute(
        "SELECT count(DISTINCT symbol) FROM otc_venue_volume WHERE week_ending = $1 AND ("
        "mpid = $2 OR otc_name_key(venue_name) IN (SELECT otc_name_key(unnest(names)) "
        "FROM otc_venues WHERE venue_id = $2))",
        [WEEK, "CRD990117"],
    ).fetchall()
    assert told.shares.filter(mpid="CRD990117")["symbol_count"].to_list() == [*symbols]
    by_class = rows(
        views,
        "SELECT venue_class, '', otc_hhi(total_volume, mpid) FROM otc_venue_trend_in($week, $week) "
        "GROUP BY venue_class",
    )
    for name, hhi in told.points[-1].hhi.items():
        assert (hhi,) == pytest.approx(by_class[name, ""])


def test_weeks_that_differ_are_compared_over_what_both_have(tmp_path: Path) -> None:
    """The weeks of `recipe_world`: expected figures are computed by hand."""
    house = House(tmp_path)
    for week in sorted({row.week for row in ROWS}):
        for path, content in delivered(week):
            house.drop(path, content)
        house.built(week=week, now=NOW)
    first, mixed, holiday = (
        source.read(house.workplace(), week) for week in (FIRST_BOTH, MIXED, HOLIDAY)
    )
    venues = {row["mpid"]: row for row in market.venue_rows(mixed.shares, mixed.pair)}
    # ACME has 335 of 935 after 340 of 600, once by name and once by CRD and by name.
    assert set(venues) == {"CRD7", "CRD8", "UBSA", "OTCX", "DE_MINIMIS"}
    acme = venues["CRD7"]
    assert (acme["total_volume"], acme["rank"], acme["is_new"]) == (335, 1, False)
    assert acme["change_points"] == pytest.approx(33500 / 935 - 34000 / 600)
    assert (venues["CRD8"]["is_new"], venues["DE_MINIMIS"]["rank"]) == (True, None)
    assert market.gone(mixed.pair) == []
    # The first non-ATS files are no rise: of the ATSs 140 after 150.
    assert market.change_pct(first.pair) == pytest.approx(-1000 / 150)
    assert "compared on NMS_TIER_1 ATS, NMS_TIER_2 ATS, OTC ATS alone" in (first.pair.limits or "")
    (pmcy,) = (
        row
        for tier in symbols.by_tier(first.summary, first.summary_before, first.pair, 5)
        for row in tier.movers
        if row["symbol"] == "PMCY"
    )
    assert (pmcy["volume_before"], pmcy["volume"]) == (130, 120)
    assert holiday.points[-1].is_short
    assert [row["mpid"] for row in market.gone(holiday.pair)] == ["CRD8"]


def test_changes_of_venues(told: source.Source, views: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT mpid, '', prior_market_share_pct, share_change_points, rank_change, is_new
        FROM otc_venue_trend_in($week, $week)
    """
    found = rows(views, sql)
    mine = market.venue_rows(told.shares, told.pair)
    assert len(mine) == len(found) > 20
    for row in mine:
        before, points, moved, is_new = found[row["mpid"], ""]
        assert row["share_before_pct"] == (None if before is None else pytest.approx(before))
        assert row["change_points"] == (None if points is None else pytest.approx(points))
        assert (row["rank_change"], row["is_new"]) == (moved, is_new)


def test_movers(told: source.Source, views: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT tier, symbol, total_volume, prior_volume, volume_change, volume_change_pct
        FROM otc_movers_in($week, $week) WHERE mover_rank <= 5
    """
    found = rows(views, sql)
    mine = symbols.by_tier(told.summary, told.summary_before, told.pair, 5)
    listed = {(tier.tier, row["symbol"]): row for tier in mine for row in tier.movers}
    assert len(listed) == len(found) == 15
    for key, (volume, before, change, percent) in found.items():
        row = listed[key]
        assert (row["volume"], row["volume_before"], row["change"]) == (volume, before, change)
        assert row["change_pct"] == pytest.approx(percent)
    kinds = rows(
        views,
        "SELECT tier, kind, count(*) FROM otc_movers_in($week, $week) GROUP BY ALL",
    )
    for tier in mine:
        assert (tier.new,) == kinds.get((tier.tier, "NEW"), (0,))
        assert (tier.gone,) == kinds.get((tier.tier, "GONE"), (0,))
