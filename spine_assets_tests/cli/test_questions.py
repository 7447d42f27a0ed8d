"""`spine symbol`, `venue`, `market`, `movers`: the same figures in every form, and files."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import openpyxl
import polars as pl
import pytest

import spine_assets
from spine_assets.cli.render import answer_charts
from spine_assets.core.weeks import Tier
from spine_assets.questions.declared import VENUES
from spine_assets_tests.support.sites import Site, opened

W1, W2 = date(2025, 11, 14), date(2025, 11, 21)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, code_location: dg.Definitions) -> Iterator[Site]:
    """Two complete weeks."""
    root = tmp_path_factory.mktemp("questions") / "site"
    root.mkdir()
    with opened(root, code_location) as made:
        for week in (W1, W2):
            for tier in Tier:
                made.project.deliver(week, tier)
        assert made.runner.range(W1, W2).success
        yield made


COMMANDS = (
    ("symbol", "ABCD"),
    ("symbol", "ABCD", "--venues"),
    ("venue", "OTCX"),
    ("venue", "OTCX", "--symbols"),
    ("market",),
    ("movers",),
    ("venue",),
)


def frame_of(command: tuple[str, ...], site: Site) -> pl.DataFrame:
    otc = spine_assets.open(site.project.root / "data")
    answers: dict[tuple[str, ...], Callable[[], pl.DataFrame]] = {
        COMMANDS[0]: lambda: otc.symbol("ABCD"),
        COMMANDS[1]: lambda: otc.symbol_venues("ABCD"),
        COMMANDS[2]: lambda: otc.venue("OTCX"),
        COMMANDS[3]: lambda: otc.venue_symbols("OTCX"),
        COMMANDS[4]: otc.market,
        COMMANDS[5]: otc.movers,
        COMMANDS[6]: otc.venues,
    }
    return answers[command]()


def plain(value: object) -> object:
    """As JSON has it."""
    return str(value) if isinstance(value, date) else value


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_form_has_the_figures_of_the_frame(
    site: Site, command: tuple[str, ...], tmp_path: Path
) -> None:
    frame = frame_of(command, site)
    expected = [{k: plain(v) for k, v in row.items()} for row in frame.to_dicts()]
    told = site.spine(*command, "--json")
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout) == expected
    listed = list(csv.DictReader(io.StringIO(site.spine(*command, "--csv").stdout)))
    assert [row.keys() for row in listed] == [row.keys() for row in expected]
    files = {name: tmp_path / f"answer.{name}" for name in ("parquet", "xlsx")}
    done = site.spine(*command, *(w for name in files for w in (f"--{name}", str(files[name]))))
    assert (done.exit_code, done.stdout) == (0, ""), done.output
    assert pl.read_parquet(files["parquet"]).equals(frame)
    sheet = openpyxl.load_workbook(files["xlsx"]).active
    assert sheet is not None
    header, *cells = sheet.iter_rows(values_only=True)
    assert (list(header), len(cells)) == (frame.columns, frame.height)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_table_has_whole_figures(site: Site, command: tuple[str, ...]) -> None:
    frame = frame_of(command, site)
    told = site.spine(*command)
    assert told.exit_code == 0, told.output
    figure = "total_volume" if "total_volume" in frame.columns else "share_volume"
    for shares in frame[figure].drop_nulls():
        assert re.search(rf"\b{shares:,.0f}\b", told.stdout)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_chart_is_drawn_in_each_format(
    site: Site, command: tuple[str, ...], tmp_path: Path
) -> None:
    begins = {"svg": b"<svg", "png": b"\x89PNG", "html": b"<!DOCTYPE html>"}
    for suffix, beginning in begins.items():
        path = tmp_path / f"chart.{suffix}"
        done = site.spine(*command, "--chart", str(path))
        assert done.exit_code == 0, done.output
        assert path.read_bytes().startswith(beginning)
    drawn = (tmp_path / "chart.svg").read_text("utf-8")
    assert "off-exchange shares" in drawn or "changes of shares" in drawn
    refused = site.spine(*command, "--chart", str(tmp_path / "chart.gif"))
    assert (refused.exit_code, "a chart is .svg" in refused.stderr) == (2, True)


def test_a_chart_writes_out_what_cannot_be_seen(site: Site, tmp_path: Path) -> None:
    unseen = "\U000e0041\ue000\u202e"
    frame = spine_assets.open(site.project.root / "data").venues(W2)
    frame = frame.with_columns(venue_name=pl.lit(f"X{unseen}"))
    path = tmp_path / "chart.svg"
    answer_charts.write(VENUES, frame, path, synthetic=False)
    drawn = path.read_text("utf-8")
    assert "X\\U000e0041\\ue000\\u202e" in drawn
    assert not {char for char in unseen if char in drawn}


def test_sums_of_the_question_are_those_of_the_delivered_lines(site: Site) -> None:
    delivered: dict[str, int] = {}
    for path in (site.project.landing / f"week_ending={W2}").glob("*.csv"):
        for row in csv.DictReader(path.read_text("utf-8").splitlines(), delimiter="|"):
            symbol = row["issueSymbolIdentifier"]
            shares = int(row["totalWeeklyShareQuantity"])
            delivered[symbol] = delivered.get(symbol, 0) + shares
    assert delivered
    for symbol, shares in delivered.items():
        (newest,) = json.loads(site.spine("symbol", symbol, "--weeks", "1", "--json").stdout)
        assert (newest["week_ending"], newest["total_volume"]) == (str(W2), shares)
    (market,) = json.loads(site.spine("market", "--weeks", "1", "--json").stdout)
    assert market["total_volume"] == sum(delivered.values())


def test_an_earlier_moment_is_answered_from_captures(site: Site) -> None:
    now = site.spine("symbol", "ABCD", "--json").stdout
    then = site.spine("symbol", "ABCD", "--json", "--as-of", datetime.now(UTC).isoformat())
    assert (then.exit_code, then.stdout) == (0, now)
    assert "nothing was captured by" in site.spine("market", "--as-of", "2020-01-01").stderr
    published = site.spine("market", "--json", "--published", "2025-12-05")
    (first,) = json.loads(published.stdout)
    assert (first["week_ending"], first["state"]) == (str(W1), "incomplete week")
    both = site.spine("market", "--published", "2025-12-05", "--as-of", "2025-12-05")
    assert (both.exit_code, "one of them" in both.stderr) == (2, True)


def test_wrong_names_are_explained(site: Site) -> None:
    for command, said in (
        (("symbol", "abcd"), "symbols are upper case: ABCD"),
        (("venue", "nobody"), "no venue nobody"),
        (("movers", "--week", "2024-01-05"), "week 2024-01-05 is not loaded"),
        (("symbol", "ABCD", "BBBB", "--venues"), "of one SYMBOL"),
        (("venue", "OTCX", "XXXX", "--symbols"), "of one VENUE"),
        (("symbol", "ABCD", "--week", str(W1)), "--week goes with --venues"),
        (("venue", "OTCX", "--week", str(W1)), "--week goes with --symbols"),
        (("venue", "--until", str(W1)), "--until is for a range of weeks, and this is one: --week"),
        (("symbol", "ABCD", "--venues", "--weeks", "3"), "--weeks is for a range of weeks"),
        (("venue", "OTCX", "--top", "3"), "--top goes with --symbols"),
    ):
        told = site.spine(*command)
        assert (told.exit_code > 0, told.stdout) == (True, "")
        assert said in told.stderr


def test_a_figure_of_symbols_side_by_side(site: Site, tmp_path: Path) -> None:
    otc = spine_assets.open(site.project.root / "data")
    other = next(name for name in otc.movers(W2)["symbol"] if name != "ABCD")
    frame = otc.compare("ABCD", other, measure="avg_trade_size")
    words = ("symbol", "ABCD", other, "--measure", "avg_trade_size")
    expected = [{k: plain(v) for k, v in row.items()} for row in frame.to_dicts()]
    assert json.loads(site.spine(*words, "--json").stdout) == expected
    shown = site.spine(*words).stdout
    assert all(f"{size:,.1f}" in shown for size in frame["ABCD"].drop_nulls())
    drawn = site.spine(*words, "--chart", str(tmp_path / "a.svg"))
    assert (drawn.exit_code, drawn.stdout) == (0, ""), drawn.output
    assert f"ABCD, {other}: avg_trade_size" in (tmp_path / "a.svg").read_text("utf-8")
    refused = site.spine("symbol", "ABCD", other, "--measure", "issue_name")
    assert (refused.exit_code, "is not a figure of a symbol" in refused.stderr) == (1, True)
