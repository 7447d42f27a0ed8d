"""The notebook runs in a process of its own, and its figures are those of the questions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

import spine_assets
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.dev.sample import committed_week
from spine_assets_tests.conftest import House
from spine_assets_tests.support.analysis_lake import lake_of
from spine_assets_tests.support.databases import refreshed
from spine_assets_tests.support.notebook import NOTEBOOK, reported, run
from spine_assets_tests.support.recipe_world import ACME, HOLIDAY, NO_TIER_2, ROWS, S6

pytestmark = pytest.mark.long

FIRST, ABSENT, WHOLE, PARTIAL = (date(2025, 10, 31) + timedelta(weeks=n) for n in range(4))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Three weeks of the sample around one that is not loaded; the newest lacks a tier."""
    made = House(tmp_path_factory.mktemp("notebook"))
    for week in (FIRST, WHOLE, PARTIAL):
        for item in committed_week(week):
            is_ats = item.venue_class is VenueClass.ATS
            if (week, item.tier) != (PARTIAL, Tier.OTC) and (is_ats or week == WHOLE):
                made.drop(item.path, item.content)
        made.built(week=week)
    refreshed(made.root / "spine.duckdb", made.lake)
    return made


@pytest.fixture(scope="module")
def report(house: House) -> Any:
    return reported(house.root)


def layers(chart: Any) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    """The layers of a chart, each with its rows."""
    for layer in chart["layer"]:
        data = layer.get("data") or chart["data"]
        yield layer, chart["datasets"][data["name"]]


def lines(chart: Any) -> dict[tuple[str, int], list[str]]:
    """Weeks with a figure, by what a line is of and its number."""
    found: dict[tuple[str, int], list[str]] = {}
    *_, (layer, rows) = layers(chart)
    assert layer["encoding"]["detail"]["field"] == "line"
    for row in rows:
        if row["figure"] is not None:
            found.setdefault((row["name"], row["line"]), []).append(row["friday"])
    return found


def test_it_compares_the_largest_of_the_newest_complete_week(house: House, report: Any) -> None:
    otc = spine_assets.open(house.root)
    assert report["week"] == str(otc.newest()) == str(WHOLE)
    largest = otc.movers(WHOLE).sort("total_volume", descending=True, nulls_last=True)["symbol"]
    assert {row["symbol"] for row in report["rows"]["symbol_weeks"]} == {*largest[:2]}
    venues = otc.venues(WHOLE)["venue_id"]
    assert {row["venue_id"] for row in report["rows"]["venue_weeks"]} == {*venues[:3]}
    assert report["rows"]["week_venues"] == json.loads(otc.venues(WHOLE).write_json())


def test_weeks_without_data_or_a_tier_are_bands_and_no_line_crosses_them(report: Any) -> None:
    for name in ("symbol_chart", "venue_chart"):
        (_, bands), _ = layers(report["charts"][name])
        assert {row["friday"]: row["why"] for row in bands} == {
            str(ABSENT): "not loaded",
            str(PARTIAL): "a tier is missing",
        }
        assert all(len(weeks) == 1 for weeks in lines(report["charts"][name]).values())


def test_every_week_has_a_place_of_its_own_on_the_axis(report: Any) -> None:
    axis = ["31 Oct 25", "07 Nov 25", "14 Nov 25", "21 Nov 25"]
    for name in ("symbol_chart", "venue_chart"):
        for layer, rows in layers(report["charts"][name]):
            assert layer["encoding"]["x"]["scale"] == {"type": "band", "domain": axis}
            assert {row["label"] for row in rows} <= {*axis}


def test_it_says_in_words_what_the_figures_are_of(report: Any) -> None:
    said = " ".join(report["texts"])
    assert "volume reported off-exchange" in said
    assert "4 weeks are shown, and 3 of them are loaded" in said
    assert f"Tiers are missing in {PARTIAL}" in said
    assert f"NON_ATS files are not loaded in 2 weeks, up to {PARTIAL}" in said
    assert "not of all trading" in json.dumps(report["charts"]["venue_chart"]["title"])


def test_a_line_joins_weeks_that_are_alike_and_a_firm_is_one_line(tmp_path: Path) -> None:
    refreshed(tmp_path / "spine.duckdb", lake_of(tmp_path / "lake", ROWS))
    found = reported(tmp_path)
    joined = lines(found["charts"]["symbol_chart"])
    parts = [weeks for (name, _), weeks in joined.items() if name == "PMCY"]
    assert parts == [
        [str(S6 - timedelta(weeks=n)) for n in range(5, -1, -1)],
        [str(S6 + timedelta(weeks=1))],
        [str(NO_TIER_2)],
        [str(NO_TIER_2 + timedelta(weeks=n)) for n in (1, 2, 3)],
    ]
    of_firm = lines(found["charts"]["venue_chart"]).items()
    assert [weeks for (name, _), weeks in of_firm if name == f"{ACME} · CRD7"] == parts[1:]
    *_, (layer, _) = layers(found["charts"]["symbol_chart"])
    assert layer["encoding"]["x"]["scale"]["domain"][-1] == f"{HOLIDAY:%d %b %y}*"


def test_ones_own_first_file_gives_bars_without_bands_or_unknown_figures(tmp_path: Path) -> None:
    house = House(tmp_path)
    for item in committed_week(PARTIAL):
        if (item.tier, item.venue_class) == (Tier.OTC, VenueClass.ATS):
            house.drop(item.path, item.content)
    house.built(week=PARTIAL)
    refreshed(tmp_path / "spine.duckdb", house.lake)
    found = reported(tmp_path)
    assert found["week"] == str(PARTIAL)
    for name in ("symbol_chart", "venue_chart"):
        drawn = [*layers(found["charts"][name])]
        assert [layer["mark"]["type"] for layer, _ in drawn] == ["bar", "text"]
        assert all(row["figure"] is not None for _, rows in drawn for row in rows)
    said = " ".join(found["texts"])
    assert "One week is shown" in said
    assert f"Tiers are missing in {PARTIAL}" in said
    assert "Only ATS files are loaded" in said
    assert "NaN" not in json.dumps(found["charts"])


def test_charts_leave_background_and_text_to_the_theme_of_the_page(report: Any) -> None:
    for chart in report["charts"].values():
        assert chart["config"]["background"] == "transparent"
        assert not {"labelColor", "titleColor"} & chart["config"]["axis"].keys()


@pytest.mark.parametrize("made", [False, True], ids=["missing", "empty"])
def test_without_data_it_says_what_to_do(tmp_path: Path, *, made: bool) -> None:
    if made:
        empty = House(tmp_path)
        refreshed(tmp_path / "spine.duckdb", empty.lake)
    found = reported(tmp_path)
    said = " ".join(found["texts"])
    assert "no week is loaded" in said
    assert "spine backfill --missing" in said
    assert "make demo" in said
    assert (found["charts"], found["rows"]) == ({}, {})


def test_it_runs_as_a_script(house: House) -> None:
    assert run(house.root, str(NOTEBOOK)) == ""
