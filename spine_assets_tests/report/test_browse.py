"""Pages of symbols and venues: their figures, their files, and when they are made anew."""

from __future__ import annotations

import base64
import io
import os
import re
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine_assets.core.settings import Settings
from spine_assets.lake.local import LocalLake
from spine_assets.questions.declared import NothingFound
from spine_assets.questions.otc import Otc
from spine_assets.questions.sources import AnswerSource
from spine_assets.report import browse, headings, index
from spine_assets.report.browse import Browsed, symbol_path, venue_path
from spine_assets_tests.support.analysis_lake import BUCKET, OTC, T1, T2, Row, lake_of

W1, W2, W3 = (date(2025, 11, 7) + timedelta(weeks=n) for n in range(3))
TEMPLATES = Path(browse.__file__).parent / "templates"


def full(week: date, *more: Row) -> list[Row]:
    """A complete week: each tier has an ATS row."""
    return [Row(week, tier, f"F{tier[-1]}", "UBSA", "10") for tier in (T1, T2, OTC)] + [*more]


class Desk:
    """A data folder, its questions and its pages."""

    def __init__(self, root: Path, *rows: Row) -> None:
        self.settings = Settings(data_dir=root / "data", lake=None, database_path=None)
        self.lake: LocalLake = lake_of(root / "data" / "lake", rows)
        self.folder = self.lake.root / "otc_weekly_report"
        self.otc = Otc(AnswerSource(self.settings))

    def add(self, *rows: Row) -> None:
        lake_of(self.lake.root, rows)

    def write(self, *more: str) -> Browsed:
        return browse.write(self.lake, self.folder, self.otc, more=more)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(
        tmp_path,
        *full(W1, Row(W1, T1, "A", "UBSA", "60", 2, issue="Alpha"), Row(W1, T2, "Z", "INCR", "1")),
        *full(
            W2,
            Row(W2, T2, "A", "UBSA", "150", 3, issue="Alpha Inc"),
            Row(W2, T2, "A", "INCR", "50.5", 2, issue="Alpha Inc"),
            Row(W2, T1, "A", "CRD7", "1000", 5, issue="Alpha Inc", name="Seven & Sons <LLC>"),
            Row(W2, T2, "A", BUCKET, "9", 5, issue="Alpha Inc"),
            *(Row(W2, tier, "B", "CRD7", "2", name="Seven & Sons <LLC>") for tier in (T2, OTC)),
        ),
        Row(W3, T1, "A", "UBSA", "30", issue="Alpha Inc"),
    )


def csvs(path: Path) -> dict[str, pl.DataFrame]:
    """The tables that a page holds for spreadsheets, by the name of their file."""
    links = re.findall(
        r'download="([^"]+)" href="data:text/csv;charset=utf-8;base64,([^"]+)"', path.read_text()
    )
    return {name: pl.read_csv(io.BytesIO(base64.b64decode(text))) for name, text in links}


def test_pages_have_the_figures_of_the_questions(desk: Desk) -> None:
    found = desk.write()
    assert {*found.symbols} == {"A", "B", "F1", "F2", "FC"}
    assert {*found.venues} == {"UBSA", "INCR", "CRD7", BUCKET}
    page = csvs(found.symbols["A"])
    weeks, asked = page["A-weeks.csv"], desk.otc.symbol("A", weeks=52)
    for name in ("total_volume", "ats_volume", "volume_change_pct", "hhi", "state"):
        assert weeks[name].to_list() == asked[name].to_list(), name
    venues = page[f"A-venues-{W2}.csv"]
    assert venues.select("venue_id", "share_volume").rows() == [
        ("CRD7", 1000.0),
        ("UBSA", 150.0),
        ("INCR", 50.5),
        (BUCKET, 9.0),
    ]
    of_venue = csvs(found.venues["UBSA"])
    assert of_venue["UBSA-weeks.csv"]["total_volume"].to_list() == [90.0, 180.0, 30.0]
    assert of_venue[f"UBSA-symbols-{W2}.csv"]["symbol"].to_list() == ["A", "F1", "F2", "FC"]
    html = found.symbols["A"].read_text()
    for shown in ("Alpha Inc", "1,209.5", "incomplete week", "Seven &amp; Sons &lt;LLC&gt;"):
        assert shown in html
    assert "<LLC>" not in html


def test_pages_that_would_be_the_same_are_not_written_again(desk: Desk) -> None:
    assert not browse.is_fresh(desk.lake, desk.folder)
    first = desk.write()
    assert browse.is_fresh(desk.lake, desk.folder)
    assert first.written == len(first.symbols) + len(first.venues) + 1
    assert desk.write().written == 0
    desk.add(*full(W3, Row(W3, T1, "A", "UBSA", "31")))
    assert not browse.is_fresh(desk.lake, desk.folder)
    again = desk.write()
    assert again.written > 0
    assert "31 shares" in again.symbols["A"].read_text()
    # INCR has no row in the week that is the newest complete one now.
    assert not venue_path(desk.folder, "INCR").exists()


def test_what_a_killed_run_left_is_removed(desk: Desk) -> None:
    left = [desk.folder / place / ".A.html.0123.tmp" for place in (".", "symbols", "venues")]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    desk.write()
    assert [path for path in left if path.exists()] == []


def test_a_symbol_that_was_asked_for_stays(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browse, "SYMBOLS", 2)
    assert {*desk.write().symbols} == {"A", "F1"}
    assert {*desk.write("Z").symbols} == {"A", "F1", "Z"}
    assert {*desk.write("FC").symbols} == {"A", "F1", "FC", "Z"}
    assert {*desk.write().symbols} == {"A", "F1", "FC", "Z"}
    monkeypatch.setattr(browse, "MOST", 3)  # the largest two, and one that was asked for
    assert {*desk.write().symbols} == {"A", "F1", "FC"}
    assert not symbol_path(desk.folder, "Z").exists()
    with pytest.raises(NothingFound, match="symbols are upper case: A"):
        desk.write("a")


def test_a_symbol_that_left_loses_its_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browse, "SYMBOLS", 1)
    desk.write("Z", "B", "F2")
    monkeypatch.setattr(browse, "WEEKS", 2)  # Z had its row three weeks ago
    assert {*desk.write().symbols} == {"A", "B", "F2"}


def test_without_a_complete_week_the_newest_is_shown(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Row(W1, T1, "A", "UBSA", "60"))
    assert "incomplete week" in desk.write().symbols["A"].read_text()


def test_nothing_loaded_is_said(tmp_path: Path) -> None:
    with pytest.raises(NothingFound, match="no week is loaded"):
        Desk(tmp_path).write()


def test_the_index_searches_all_symbols_and_venues(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "SYMBOLS", 1)
    desk.write()
    names = browse.names(desk.folder)
    assert names[:2] == [
        ["symbol", "A", "Alpha Inc", 1209.5, "symbols/A.html"],
        ["symbol", "F1", "Issue", 10.0, None],
    ]
    assert ["venue", "CRD7", "Seven & Sons <LLC>", None, "venues/CRD7.html"] in names
    html = index.html(desk.lake)
    assert "Seven & Sons \\u003cLLC>" in html
    (desk.folder / browse.NAMES).write_text("[damaged")
    assert browse.names(desk.folder) == []


@given(st.sets(st.text(min_size=1, max_size=200), min_size=2, max_size=20))
def test_names_of_files_are_safe_and_never_alike(symbols: set[str]) -> None:
    paths = [symbol_path(Path(), symbol).name for symbol in symbols]
    assert len({path.casefold() for path in paths}) == len(symbols)
    for path in paths:
        assert re.fullmatch(r"[A-Za-z0-9_]{1,140}\.html", path)


@pytest.mark.parametrize("name", ["CON", "PRN", "COM1", "GYCpD", "GYC_70D", "BRK.B", "../../etc"])
def test_names_of_devices_and_paths_are_written_differently(name: str) -> None:
    path = symbol_path(Path("x"), name)
    assert path.parent == Path("x/symbols")
    assert path.stem != name


def test_each_heading_is_explained_and_each_explanation_is_used() -> None:
    used = {
        heading
        for template in TEMPLATES.glob("*.j2")
        for quoted in re.findall(r"\bth\((?:'([^']*)'|\"([^\"]*)\")", template.read_text())
        for heading in quoted
        if heading
    }
    assert used == {*headings.HEADINGS}


def test_an_index_that_a_killed_run_did_not_write_is_older_than_its_names(desk: Desk) -> None:
    desk.write()
    assert not index.is_newer(desk.folder)
    index.write(desk.lake)
    assert index.is_newer(desk.folder)
    names = desk.folder / browse.NAMES
    later = (desk.folder / "index.html").stat().st_mtime_ns + 1_000_000
    os.utime(names, ns=(later, later))
    assert not index.is_newer(desk.folder)


def test_the_index_removes_what_a_killed_run_left_too(desk: Desk) -> None:
    desk.write()
    left = [desk.folder / ".index.html.0.tmp", desk.folder / "symbols" / ".A.html.1.tmp"]
    for path in left:
        path.touch()
    index.write(desk.lake)
    assert [path for path in left if path.exists()] == []


def test_names_that_the_index_searches_have_nothing_that_cannot_be_seen(tmp_path: Path) -> None:
    unseen = "\U000e0041\ue000\u0378\u202e"
    row = Row(W2, T1, "A", "CRD7", "2", issue=f"Y{unseen}", name=f"X{unseen}")
    desk = Desk(tmp_path, *full(W2, row))
    found = desk.write()
    shown = str([entry[2] for entry in browse.names(desk.folder)])
    pages = [path.read_text("utf-8") for path in (*found.symbols.values(), *found.venues.values())]
    for text in (*pages, shown):
        assert not {char for char in unseen if char in text}
    assert "X\\\\U000e0041" in shown
    assert "Y\\\\U000e0041" in shown
