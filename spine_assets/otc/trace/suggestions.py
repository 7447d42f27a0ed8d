"""Errors for a symbol's week that cannot be traced, with similar names and the next command.

Belongs here: the wording, and the search for what was meant.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from datetime import date, timedelta

import polars as pl

from spine_assets.core.weeks import Tier, tier_of
from spine_assets.lake.base import Lake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.past.as_of import NotKnown
from spine_assets.otc.tables import raw

_ALIKE = 0.74  # one of four letters wrong
_MOST_NAMED = 5  # as many as are read at a glance
_MOST_VENUES = 12  # two lines; a large symbol has forty
# Half a year each way, at some milliseconds a week; a symbol that is older was renamed.
_WEEKS_AROUND = 26


class NothingTraced(NotKnown):
    """There is no such line; the message has similar names, near weeks or the next command."""


def no_week(lake: Lake, week: date) -> NothingTraced:
    """Nothing of the week is captured."""
    weeks = lake.weeks(raw.TABLE.name)
    there = f"captured are {weeks[0]} to {weeks[-1]}; " if weeks else "no week is captured yet; "
    return NothingTraced(
        f"nothing of week {week} is captured; {there}put its files into the landing folder, or "
        f"have them fetched (spine fetch --week {week}), and run spine backfill {week}"
    )


def no_symbol(lake: Lake, week: date, symbol: str) -> NothingTraced:
    """No line of the week has the symbol."""
    known = _symbols(lake, week)
    parts = [f"no line of week {week} has the symbol {symbol!r}"]
    near = _near(symbol, known)
    if near:
        named = ", ".join(f"{name} ({', '.join(sorted(known[name]))})" for name in near)
        only_case = all(name.casefold() == symbol.casefold() for name in near)
        parts.append(f"{'case matters' if only_case else 'did you mean'}: {named}")
    weeks = _weeks_with(lake, week, symbol)
    if weeks:
        parts.append(f"{symbol} is in {', '.join(map(str, weeks))}")
    elif not near:
        parts.append(f"nor has any captured week within {_WEEKS_AROUND} weeks of it")
    return NothingTraced("; ".join(parts))


def no_venue(
    week: date,
    symbol: str,
    mpid: str | None,
    tier: Tier | None,
    known: Collection[tuple[str, str | None]],
) -> NothingTraced:
    """The week has the symbol, but not of this venue or tier; `known` are those that it has."""
    by_tier: dict[str, list[str]] = {}
    for name, venue in sorted(known, key=str):
        by_tier.setdefault(name, []).append(venue or "no venue")
    scope = "".join([f" of {mpid}" if mpid else "", f" in {tier}" if tier else ""])
    there = "; ".join(f"{name}: {_some(venues)}" for name, venues in by_tier.items())
    message = f"{symbol} has no line{scope} in week {week}; it has lines of {there or 'no venue'}"
    close = difflib.get_close_matches(mpid or "", {str(venue) for _, venue in known}, 1)
    return NothingTraced(f"{message}; did you mean {close[0]}?" if close else message)


def _some(venues: list[str]) -> str:
    """The first venues, and how many more there are."""
    more = len(venues) - _MOST_VENUES
    return ", ".join(venues[:_MOST_VENUES]) + (f" and {more} more" if more > 0 else "")


def _near(symbol: str, known: Iterable[str]) -> list[str]:
    """Symbols that differ by case alone, else those of similar spelling."""
    names = sorted(known)
    folded = [name for name in names if name.casefold() == symbol.casefold()]
    if folded:
        return folded
    by_fold: dict[str, list[str]] = {}
    for name in names:
        by_fold.setdefault(name.casefold(), []).append(name)
    close = difflib.get_close_matches(symbol.casefold(), by_fold, _MOST_NAMED, _ALIKE)
    return [name for fold in close for name in by_fold[fold]][:_MOST_NAMED]


def _symbols(lake: Lake, week: date) -> dict[str, set[str]]:
    """Symbols of a week, each with its tiers."""
    found: dict[str, set[str]] = {}
    for capture in captures.current_of(lake, week).values():
        pairs = captures.read_rows(lake, capture, ["symbol", "tier"]).unique()
        for symbol, tier in pairs.iter_rows():
            if symbol:
                found.setdefault(symbol, set()).add(tier_of(tier) or tier)
    return found


def _weeks_with(lake: Lake, week: date, symbol: str) -> list[date]:
    """The nearest captured weeks that have the symbol, the nearest first."""
    reach = timedelta(weeks=_WEEKS_AROUND)
    around = [item for item in lake.weeks(raw.TABLE.name) if abs(item - week) <= reach]
    found: list[date] = []
    for item in sorted(around, key=lambda other: (abs(other - week), other)):
        files = lake.files(raw.TABLE.name, item)
        here = pl.col("symbol") == symbol
        if any(lake.read(path, ["symbol"], here).height for path in files):
            found.append(item)
            if len(found) == _MOST_NAMED:
                break
    return found
