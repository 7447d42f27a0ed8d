"""Pages per symbol and per venue beside the weekly reports, and the names for the index's search.

They show a year up to the newest week, are made anew after a run that changed it, and need neither
network nor server. Belongs here: which pages there are, what each shows, and writing them. Does not
belong here: figures (`questions` answers them), and the pages of weeks (`building`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from spine_assets.core.text import Shown
from spine_assets.lake import atomic_write
from spine_assets.lake.base import Lake
from spine_assets.lake.names import LockName
from spine_assets.otc.delivery.provenance import MARK
from spine_assets.otc.tables import symbol_summary, venue_share
from spine_assets.questions.declared import NothingFound, WeekState
from spine_assets.questions.otc import Otc
from spine_assets.questions.sources import WINDOW
from spine_assets.report import charts, page, stored

SYMBOLS = 100
"""So many symbols, the largest of the newest complete week, have a page without being asked for."""
MOST = 400
"""Pages of symbols that are kept; of those that were asked for, the earliest go first."""
WEEKS = 52
VERSION = "1"
"""Raise it when the same figures would give other pages."""
NAMES = "names.json"
"""What the index searches: symbols and venues, with their pages."""
_LISTED = 25  # venues of a symbol, symbols of a venue
_NAME_CHARS = 120  # of a file's name
_PLAIN = re.compile(r"[A-Z0-9]+")
_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|COM\d|LPT\d)")  # no names of files on Windows
Row = dict[str, Any]


@dataclass
class Browsed:
    """The pages as they are written.

    Attributes:
        symbols: Path of each symbol's page.
        venues: Path of each venue's page.
        written: Number of pages that changed.
        bytes: Size of all pages.
    """

    symbols: dict[str, Path] = field(default_factory=dict)
    venues: dict[str, Path] = field(default_factory=dict)
    written: int = 0
    bytes: int = 0


def symbol_path(folder: Path, symbol: str) -> Path:
    """The page of a symbol, existing or not."""
    return folder / "symbols" / f"{_file_name(symbol)}.html"


def venue_path(folder: Path, venue_id: str) -> Path:
    """The page of a venue, existing or not."""
    return folder / "venues" / f"{_file_name(venue_id)}.html"


def write(lake: Lake, folder: Path, otc: Otc, *, more: Iterable[str] = ()) -> Browsed:
    """Write the pages of the largest symbols, of those asked for before or now, and of all venues.

    Args:
        lake: What the figures are of.
        folder: Of the reports and the index.
        otc: Answers the figures.
        more: Symbols to write a page of besides.

    Raises:
        NothingFound: a symbol of `more` has no row within the year, or nothing is loaded.
        OSError: the folder cannot be written.
    """
    with lake.lock_of(LockName.REPORTS):
        remove_leftovers(folder)
        made_from = _made_from(lake)
        with otc.together():
            shown = _Shown(folder, otc, [*more])
        found = Browsed(
            {symbol: symbol_path(folder, symbol) for symbol in shown.symbols},
            {venue: venue_path(folder, venue) for venue in shown.venues},
        )
        for symbol, path in found.symbols.items():
            _replace(path, shown.symbol_page(symbol), found)
        for venue, path in found.venues.items():
            _replace(path, shown.venue_page(venue), found)
        current = {*found.symbols.values(), *found.venues.values()}
        for path in [*(folder / "symbols").glob("*.html"), *(folder / "venues").glob("*.html")]:
            if path not in current:
                path.unlink(missing_ok=True)
        kept = {
            "made_from": made_from,
            "week": str(shown.week),
            "asked": shown.asked,
            "names": shown.names(found),
        }
        _replace(folder / NAMES, json.dumps(kept, separators=(",", ":")), found)
    return found


def remove_leftovers(folder: Path) -> None:
    """Delete what killed runs left beside the pages and the index; hold the lock of reports."""
    for place in (folder, folder / "symbols", folder / "venues"):
        atomic_write.remove_all(place.glob(f".*{atomic_write.TEMPORARY}"))


def remove(lake: Lake, folder: Path) -> None:
    """Delete all pages of symbols and venues, and what the index searches."""
    with lake.lock_of(LockName.REPORTS):
        for path in (folder / NAMES, *folder.glob("symbols/*.html"), *folder.glob("venues/*.html")):
            path.unlink(missing_ok=True)


def is_fresh(lake: Lake, folder: Path) -> bool:
    """Whether the pages were made from what the lake has."""
    return bool(_read(folder).get("made_from") == _made_from(lake))


def names(folder: Path) -> list[list[Any]]:
    """What the index searches: kind, id, name, shares of the newest complete week, page or null."""
    found: list[list[Any]] = _read(folder).get("names", [])
    return found


def names_of(folder: Path) -> str:
    """The week whose symbols and venues the index searches."""
    return str(_read(folder).get("week", ""))


def _read(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / NAMES).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _made_from(lake: Lake) -> str:
    """Digest of the files that the pages show, and of the reports that they link to."""
    weeks = lake.weeks(venue_share.TABLE.name)
    first = weeks[-1] - timedelta(weeks=WEEKS) - WINDOW if weeks else date.min
    tables = (venue_share.TABLE, symbol_summary.TABLE)
    stamps = [
        [str(week), stamp]
        for table in tables
        for week, stamp in lake.stamps(table.name).items()
        if week is not None and week >= first
    ]
    return stored.digest([VERSION, sorted(stamps, key=repr), stored.weeks(lake)])


class _Shown:
    """The answers that the pages show, asked once for all of them."""

    def __init__(self, folder: Path, otc: Otc, more: list[str]) -> None:
        self._folder = folder
        self.week = otc.usual_week()
        self._movers = otc.movers(self.week)
        ranked = self._movers.drop_nulls("total_volume").sort(
            "total_volume", "symbol", descending=[True, False]
        )
        if ranked.is_empty():
            raise NothingFound(f"week {self.week} has no rows")
        before = _read(folder).get("asked", [])
        self.asked = list(dict.fromkeys([*more, *_known(otc, before)]))[: MOST - SYMBOLS]
        self.symbols = list(dict.fromkeys([*self.asked, *ranked["symbol"][:SYMBOLS]]))
        venues = otc.venues(self.week)
        self.venues = venues["venue_id"].to_list()
        named = venues.select("venue_id", "venue_name").iter_rows()
        self._names = {venue: name and Shown(name) for venue, name in named}
        of_symbols = otc.symbol(*self.symbols, weeks=WEEKS)
        self._weeks_of_symbol = _by(of_symbols, "symbol")
        self._weeks_of_venue = _by(otc.venue(*self.venues, weeks=WEEKS), "venue_id")
        traded = of_symbols.filter(week_ending=self.week).drop_nulls("total_volume")["symbol"]
        self._venues_of = _by(otc.symbol_venues(*traded, week=self.week), "symbol")
        self._symbols_of = _by(
            otc.venue_symbols(*self.venues, week=self.week, top=_LISTED), "venue_id"
        )
        self._reports = {
            path.parent.name.removeprefix("week_ending=")
            for path in folder.glob(f"week_ending=*/{stored.PAGE}")
        }

    def symbol_page(self, symbol: str) -> str:
        """The page of a symbol."""
        weeks, venues = self._weeks_of_symbol[symbol], self._venues_of.get(symbol)
        named = weeks.drop_nulls("issue_name")["issue_name"]
        name = named[-1] if named.len() else ""
        return page.render(
            "symbol.html.j2",
            symbol=symbol,
            name=name,
            here=self._of_week(weeks),
            venues=venues.head(_LISTED).to_dicts() if venues is not None else [],
            all_venues=venues if venues is not None else pl.DataFrame(),
            **self._both(weeks, name),
        )

    def venue_page(self, venue_id: str) -> str:
        """The page of a venue."""
        weeks = self._weeks_of_venue[venue_id]
        symbols = self._symbols_of.get(venue_id, pl.DataFrame())
        name = self._names[venue_id]
        return page.render(
            "venue.html.j2",
            venue_id=venue_id,
            name=name,
            here=self._of_week(weeks),
            symbols=symbols,
            **self._both(weeks, name),
        )

    def names(self, found: Browsed) -> list[list[Any]]:
        """See `names`; symbols first, largest first."""
        ranked = self._movers.sort(
            pl.col("total_volume").fill_null(0), "symbol", descending=[True, False]
        ).select("symbol", "issue_name", "total_volume")
        return [
            *(
                ["symbol", symbol, name and Shown(name), shares, _link(found.symbols.get(symbol))]
                for symbol, name, shares in ranked.iter_rows()
            ),
            *(
                ["venue", venue, self._names[venue], None, _link(path)]
                for venue, path in found.venues.items()
            ),
        ]

    def _both(self, weeks: pl.DataFrame, name: str) -> Row:
        rows = weeks.to_dicts()
        return {
            "week": self.week,
            "rows": rows[::-1],
            "weeks": weeks,
            "bars": bars(rows),
            "venue_names": self._names,
            "reports": self._reports,
            "symbol_pages": {s: f"../symbols/{_file_name(s)}.html" for s in self.symbols},
            "venue_pages": {v: f"../venues/{_file_name(v)}.html" for v in self.venues},
            "is_synthetic": name.endswith(MARK),
        }

    def _of_week(self, weeks: pl.DataFrame) -> Row:
        """The row of the week that the page is of."""
        found: Row = weeks.filter(week_ending=self.week).row(0, named=True)
        return found


def bars(rows: list[Row]) -> Row:
    """A chart of shares by week: its height, and a bar per week with its parts in percent of it.

    Args:
        rows: Weeks of a symbol or a venue, oldest first.
    """
    top = charts.above(row["total_volume"] for row in rows)
    weeks = [_bar(row, top) for row in rows]
    first = next((bar for bar in weeks if bar["month"]), None)
    if first is not None:
        first["year"] = f"{first['week']:%Y}"
    return {"top": top, "weeks": weeks}


def _bar(row: Row, top: float) -> Row:
    week: date = row["week_ending"]
    parts = (
        {row["venue_class"]: row["total_volume"]}
        if "venue_class" in row
        else {"NON_ATS": row["non_ats_volume"], "ATS": row["ats_volume"]}
    )
    volume = row["total_volume"]
    said = row["state"] if volume is None else f"{page.whole(volume)} shares"
    if volume is not None and row["state"] != WeekState.COMPLETE:
        said += f", {row['state']}"
    is_first = (week - timedelta(weeks=1)).month != week.month
    return {
        "week": week,
        "said": said,
        "state": row["state"],
        "parts": {name: 100 * part / top for name, part in parts.items() if name and part},
        "month": f"{week:%b}" if is_first else "",
        "year": f"{week:%Y}" if is_first and week.month == 1 else "",
    }


def _known(otc: Otc, symbols: list[str]) -> list[str]:
    """Those of some symbols that have a row within the year."""
    if not symbols:
        return []
    try:
        otc.symbol(*symbols, weeks=WEEKS)
    except NothingFound:
        half = len(symbols) // 2
        return [*_known(otc, symbols[:half]), *_known(otc, symbols[half:])] if half else []
    return symbols


def _by(frame: pl.DataFrame, name: str) -> Mapping[str, pl.DataFrame]:
    """Rows by the value of a column."""
    parts = frame.partition_by(name, as_dict=True)
    return {str(key[0]): part for key, part in parts.items()}


def _link(path: Path | None) -> str | None:
    return None if path is None else f"{path.parent.name}/{path.name}"


def _file_name(name: str) -> str:
    """A name that is one file on every system, also where upper and lower case are alike.

    Capitals and digits stand for themselves, each other byte as `_` and two hex digits.
    """
    if _PLAIN.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    written = "".join(
        chr(byte) if _PLAIN.fullmatch(chr(byte)) else f"_{byte:02x}" for byte in name.encode()
    )
    if written == name:
        written += "_"
    if len(written) <= _NAME_CHARS:
        return written
    return f"{written[:_NAME_CHARS]}__{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _replace(path: Path, content: str, found: Browsed) -> None:
    """Write a file if its content changed."""
    new = content.encode()
    found.bytes += len(new)
    try:
        is_same = path.read_bytes() == new
    except OSError:
        is_same = False
    if not is_same:
        atomic_write.write(path, new)
        found.written += 1
