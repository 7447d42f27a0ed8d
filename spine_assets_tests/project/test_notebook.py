"""The notebook runs in a process of its own, and its figures are those of SQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.dev.sample import committed_week
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect
from spine_assets_tests.conftest import House
from spine_assets_tests.support.analysis_lake import lake_of
from spine_assets_tests.support.databases import refreshed
from spine_assets_tests.support.recipe_world import (
    ACME,
    BY_NAME,
    FIRST_BOTH,
    HOLIDAY,
    MIXED,
    NO_TIER_2,
    ROWS,
)

pytestmark = pytest.mark.long

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "explore.py"
FIRST, ABSENT, WHOLE, PARTIAL = (
    date(2025, 10, 31),
    date(2025, 11, 7),
    date(2025, 11, 14),
    date(2025, 11, 21),
)
_REPORT = """
import importlib.util, json, sys

spec = importlib.util.spec_from_file_location("explore", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
outputs, defs = module.app.run()


def rows(name):
    return json.loads(defs[name].write_json()) if name in defs else None


print(json.dumps({
    "chosen": {n: str(defs[n]) for n in ("symbol", "week", "mpid") if n in defs},
    "rows": {n: rows(n) for n in ("symbol_volume", "week_shares", "venue_rows", "week_rows")},
    "bands": json.loads(defs["bands"]().write_json()) if "bands" in defs else None,
    "charts": [item.to_dict() for item in outputs if hasattr(item, "to_dict")],
    "texts": [item.text for item in outputs if hasattr(item, "text")],
}))
"""
_SECONDS = 120  # it takes about five; a machine under load some times that


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


def run(folder: Path, *words: str) -> str:
    """Run Python in a project folder; what it printed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SPINE_")}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=env | {"SPINE_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def reported(folder: Path) -> Any:
    """What the notebook holds and shows after a run."""
    return json.loads(run(folder, "-c", _REPORT, str(NOTEBOOK)).splitlines()[-1])


@pytest.fixture(scope="module")
def report(house: House) -> Any:
    return reported(house.root)


def asked(house: House, sql: str, *values: object) -> list[tuple[Any, ...]]:
    with connect(house.lake, TABLES) as views:
        return views.execute(sql, list(values)).fetchall()


def test_it_begins_with_the_newest_complete_week_and_its_largest_symbol(
    house: House, report: Any
) -> None:
    ((largest,),) = asked(
        house,
        "SELECT symbol FROM otc_symbol_summary WHERE week_ending = ? "
        "GROUP BY symbol ORDER BY sum(total_volume) DESC LIMIT 1",
        WHOLE,
    )
    assert (report["chosen"]["week"], report["chosen"]["symbol"]) == (str(WHOLE), largest)


def test_its_figures_are_those_of_the_tables(house: House, report: Any) -> None:
    symbol, mpid = report["chosen"]["symbol"], report["chosen"]["mpid"]
    volume = asked(
        house,
        "SELECT week_ending::VARCHAR, sum(ats_volume)::DOUBLE, sum(non_ats_volume)::DOUBLE "
        "FROM otc_symbol_summary WHERE symbol = ? GROUP BY ALL",
        symbol,
    )
    told: dict[tuple[str, str], float] = {
        (row["week_ending"], row["venue_class"]): row["shares"]
        for row in report["rows"]["symbol_volume"]
    }
    assert len(volume) == 3
    for week, ats, non_ats in volume:
        assert (told[week, "ATS"], told.get((week, "NON_ATS"))) == (ats, non_ats)
    assert ((str(WHOLE), "NON_ATS") in told, (str(FIRST), "NON_ATS") in told) == (True, False)
    shares = asked(
        house,
        "SELECT mpid, market_share_pct FROM otc_venue_share WHERE week_ending = ? ORDER BY ALL",
        WHOLE,
    )
    found = report["rows"]["week_shares"]
    in_week = sorted((row["mpid"], row["market_share_pct"]) for row in found)
    assert in_week == [(name, pytest.approx(share)) for name, share in shares]
    over_time = asked(
        house,
        "SELECT week_ending::VARCHAR, class_share_pct FROM otc_venue_share "
        "WHERE mpid = ? ORDER BY week_ending",
        mpid,
    )
    in_notebook = [
        (row["week_ending"], row["class_share_pct"]) for row in report["rows"]["venue_rows"]
    ]
    assert in_notebook == [(week, pytest.approx(share)) for week, share in over_time]
    rows = asked(
        house,
        "SELECT count(*) FROM otc_venue_volume WHERE symbol = ? AND week_ending = ?",
        symbol,
        WHOLE,
    )
    assert [(len(report["rows"]["week_rows"]),)] == rows


def test_a_week_that_is_not_loaded_is_a_gap_and_one_without_a_tier_is_marked(report: Any) -> None:
    assert {row["friday"]: row["why"] for row in report["bands"]} == {
        str(ABSENT): "not loaded",
        str(PARTIAL): "incomplete: a tier is missing",
    }
    symbol, _, venue = report["charts"]
    for chart in (symbol, venue):
        (drawn,) = (
            data
            for name, data in chart["datasets"].items()
            if name == chart["layer"][-1]["data"]["name"]
        )
        assert {row["friday"] for row in drawn} <= {str(FIRST), str(WHOLE)}
        assert str(WHOLE) in {row["friday"] for row in drawn}


def test_every_week_has_a_place_of_its_own_on_the_axis(report: Any) -> None:
    axis = ["31 Oct 25", "07 Nov 25", "14 Nov 25", "21 Nov 25"]
    symbol, _, venue = report["charts"]
    for chart in (symbol, venue):
        for layer in chart["layer"]:
            assert layer["encoding"]["x"]["scale"] == {"type": "band", "domain": axis}
            assert {row["label"] for row in chart["datasets"][layer["data"]["name"]]} <= {*axis}
    assert {row["friday"]: row["label"] for row in report["bands"]}[str(ABSENT)] == "07 Nov 25"


def test_a_firm_is_one_line_whether_files_have_its_crd_or_its_name(tmp_path: Path) -> None:
    lake = lake_of(tmp_path / "lake", ROWS)
    refreshed(tmp_path / "spine.duckdb", lake)
    found = reported(tmp_path)
    assert (found["chosen"]["week"], found["chosen"]["mpid"]) == (str(HOLIDAY), "CRD7")
    assert [(row["week_ending"], row["shares"]) for row in found["rows"]["venue_rows"]] == [
        (str(FIRST_BOTH), 300),
        (str(NO_TIER_2), 310),
        (str(BY_NAME), 340),
        (str(MIXED), 335),
        (str(HOLIDAY), 268),
    ]
    ranked = [
        (row["rank"], row["venue_name"], row["shares"]) for row in found["rows"]["week_shares"]
    ]
    assert ranked == [
        (1, ACME, 268),
        (2, "UBS ATS", 184),
        (3, "OTC LINK", 16),
        (None, "De Minimis Firms", 280),
    ]
    titles = json.dumps([chart["title"] for chart in found["charts"]])
    assert f"{ACME} (CRD7): its share over time" in titles
    assert "Share of reported off-exchange volume" in titles


def test_a_week_with_a_holiday_has_a_star(tmp_path: Path) -> None:
    made = House(tmp_path)
    labor_day = date(2025, 9, 5)
    for item in committed_week(labor_day):
        made.drop(item.path, item.content)
    made.built(week=labor_day)
    refreshed(tmp_path / "spine.duckdb", made.lake)
    symbol, *_ = reported(tmp_path)["charts"]
    (layer,) = symbol["layer"]
    assert layer["encoding"]["x"]["scale"]["domain"] == ["05 Sep 25*"]


def test_it_says_in_words_what_the_shares_are_of(report: Any) -> None:
    said = " ".join(report["texts"])
    assert "volume reported off-exchange" in said
    assert f"Not drawn, as a tier is missing: {PARTIAL}" in said
    assert f"Non-ATS files are in from {WHOLE} on" in said
    titles = json.dumps([chart["title"] for chart in report["charts"]])
    assert "not of all trading" in titles


@pytest.mark.parametrize("made", [False, True], ids=["missing", "empty"])
def test_without_data_it_says_make_demo(tmp_path: Path, *, made: bool) -> None:
    if made:
        empty = House(tmp_path)
        refreshed(tmp_path / "spine.duckdb", empty.lake)
    found = reported(tmp_path)
    assert "make demo" in " ".join(found["texts"])
    assert (found["charts"], found["chosen"]) == ([], {})


def test_it_runs_as_a_script(house: House) -> None:
    assert run(house.root, str(NOTEBOOK)) == ""
