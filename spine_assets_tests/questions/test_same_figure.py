"""A figure is the same wherever a person reads it.

`from_rows` computes all figures from the rows of one table, without our SQL. Each other place is
one function that reads the figures which that place shows: for another one, write its function and
list it in `PLACES`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest

import spine_assets
from spine_assets.report import browse
from spine_assets_tests.support.databases import rows_of
from spine_assets_tests.support.notebook import reported
from spine_assets_tests.support.projects import Project

pytestmark = pytest.mark.long

Figures = dict[tuple[date, str, str], float]  # of a week, a symbol or venue, and a column

SYMBOLS = ("PMCY", "MOFB", "RIR")  # RIR stands in two tiers
VENUES = ("UBSA", "OTCN", "CRD990117", "DE_MINIMIS")
_BUCKETS = ("DE_MINIMIS", "UNATTRIBUTED")
_NONE = "–"  # noqa: RUF001 - what pages show where there is no figure
_OF_SYMBOL = ("total_volume", "total_trades")
_OF_VENUE = ("total_volume", "market_share_pct", "class_share_pct", "rank")


def from_rows(project: Project) -> Figures:
    """All figures, by plain arithmetic over the rows of `otc_venue_volume`."""
    shares: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
    trades: dict[tuple[date, str], int] = defaultdict(int)
    venues: dict[date, dict[tuple[str, str], Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for week, symbol, venue_class, mpid, volume, count in rows_of(
        project.root / "data" / "spine.duckdb",
        "SELECT week_ending, symbol, venue_class, mpid, share_volume, trade_count "
        "FROM otc_venue_volume",
    ):
        shares[week, symbol] += volume
        trades[week, symbol] += count
        venues[week][venue_class, mpid] += volume
    figures = {(*key, "total_volume"): float(total) for key, total in shares.items()}
    figures |= {(*key, "total_trades"): float(total) for key, total in trades.items()}
    for week, of_week in venues.items():
        everything = sum(of_week.values())
        ranked = [total for (_, mpid), total in of_week.items() if mpid not in _BUCKETS]
        for (venue_class, mpid), total in of_week.items():
            of_class = sum(other for (c, _), other in of_week.items() if c == venue_class)
            figures[week, mpid, "total_volume"] = float(total)
            figures[week, mpid, "market_share_pct"] = float(100 * total / everything)
            figures[week, mpid, "class_share_pct"] = float(100 * total / of_class)
            if mpid not in _BUCKETS:
                figures[week, mpid, "rank"] = 1 + sum(other > total for other in ranked)
    return figures


def of_answers(
    symbols: Iterable[Mapping[str, Any]], venues: Iterable[Mapping[str, Any]]
) -> Figures:
    """Figures of the rows of the questions `symbol` and `venue`."""
    found = {}
    for of, columns, rows in (
        ("symbol", _OF_SYMBOL, symbols),
        ("venue_id", _OF_VENUE, venues),
    ):
        for row in rows:
            for column in columns:
                if row[column] is not None:
                    week = date.fromisoformat(str(row["week_ending"]))
                    found[week, row[of], column] = float(row[column])
    return found


def python(project: Project) -> Figures:
    """Figures of `spine_assets.open()`."""
    otc = spine_assets.open(project.root / "data")
    return of_answers(otc.symbol(*SYMBOLS).to_dicts(), otc.venue(*VENUES).to_dicts())


def commands(project: Project) -> Figures:
    """Figures of `spine symbol` and `spine venue`."""
    told = [
        json.loads(project.run("spine", *words, "--json").stdout)
        for words in (("symbol", *SYMBOLS), ("venue", *VENUES))
    ]
    return of_answers(*told)


def notebook(project: Project) -> Figures:
    """Figures that the notebook draws and lists."""
    rows = reported(project.root / "data")["rows"]
    return of_answers(rows["symbol_weeks"], [*rows["venue_weeks"], *rows["week_venues"]])


def weekly_reports(project: Project) -> Figures:
    """Figures of the pages of all weeks; parts have three digits, and symbols one tier a row."""
    in_one_tier = rows_of(
        project.root / "data" / "spine.duckdb",
        "SELECT week_ending, symbol FROM otc_symbol_summary GROUP BY ALL HAVING count(*) = 1",
    )
    found: Figures = {}
    for page in (project.lake / "otc_weekly_report").glob("week_ending=*/report.html"):
        week = date.fromisoformat(page.parent.name.removeprefix("week_ending="))
        for row in table_rows(page.read_text("utf-8")):
            shares = row.get("shares", "").replace(",", "")
            if "largest" in row and (week, row["largest"]) in in_one_tier:
                found[week, row["largest"], "total_volume"] = float(shares)
            elif "rank moved" in row or "rank moved *" in row:
                venue = row["venue"].split()[-1]
                parts = {
                    "total_volume": shares,
                    "market_share_pct": row["share of reported off-exchange volume, %"],
                    "class_share_pct": row["share of class, %"],
                    "rank": row["rank"],
                }
                found |= {(week, venue, name): float(text) for name, text in parts.items() if text}
    return found


def pages(project: Project) -> Figures:
    """Figures of the pages of symbols and venues; parts have two digits."""
    folder = project.lake / "otc_weekly_report"
    shown = {
        "shares": "total_volume",
        "trades": "total_trades",
        "share %": "market_share_pct",
        "class %": "class_share_pct",
        "rank": "rank",
    }
    found: Figures = {}
    for name, path in (
        *((name, browse.symbol_path(folder, name)) for name in SYMBOLS),
        *((name, browse.venue_path(folder, name)) for name in VENUES),
    ):
        for row in table_rows(path.read_text("utf-8")):
            if "week ending" in row:
                week = date.fromisoformat(row["week ending"])
                figures = {
                    of: row[head].replace(",", "") for head, of in shown.items() if head in row
                }
                found |= {
                    (week, name, of): float(text) for of, text in figures.items() if text != _NONE
                }
    return found


class _Tables(HTMLParser):
    """The rows of all tables of a page, by the headings of their columns."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, str]] = []
        self._heads: list[str] = []
        self._cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._heads = []
        elif tag == "tr":
            self._cells = []
        elif tag in ("th", "td"):
            self._cells.append("")

    def handle_data(self, data: str) -> None:
        if self._cells:
            self._cells[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr":
            if self._heads:
                self.rows.append(dict(zip(self._heads, self._cells, strict=False)))
            else:
                self._heads = self._cells
            self._cells = []


def table_rows(page: str) -> list[dict[str, str]]:
    """The rows of all tables of a page."""
    parser = _Tables()
    parser.feed(page)
    return parser.rows


PLACES: dict[str, tuple[Callable[[Project], Figures], int | None]] = {
    "python": (python, None),
    "commands": (commands, None),
    "notebook": (notebook, None),
    "weekly reports": (weekly_reports, 3),
    "pages": (pages, 2),
}
"""Where figures are read, each with the decimals of its parts in percent; None is all of them."""


@pytest.fixture(scope="module")
def expected(sample: Project) -> Figures:
    return from_rows(sample)


@pytest.mark.parametrize("place", PLACES)
def test_each_place_shows_the_figures_of_the_rows(
    sample: Project, expected: Figures, place: str
) -> None:
    read, decimals = PLACES[place]
    shown = read(sample)
    wrong = {}
    for key, figure in shown.items():
        right = expected.get(key)
        if right is not None and decimals is not None and key[2].endswith("_pct"):
            right = float(f"{right:.{decimals}f}")
        if right is None or figure != pytest.approx(right, rel=1e-12):
            wrong[key] = (figure, right)
    assert wrong == {}
    assert len({week for week, _, _ in shown}) == 12
    names = {name for _, name, _ in shown}
    assert names & {*SYMBOLS}
    assert names & {*VENUES}
    assert {column for _, _, column in shown} >= {*_OF_VENUE}
