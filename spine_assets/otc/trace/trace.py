"""From a number in any table back to the delivered lines, and forward to all that they feed.

Belongs here: which lines a trace has. Does not belong here: its values (`otc.trace_model`), the
proof of a line's text (`otc.delivered_text`), the stored rows that lines are part of
(`otc.feeds`), the messages where nothing is found (`otc.nothing_traced`), and runs, which only
Dagster remembers (`history.origins`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from spine_assets.core.weeks import Tier
from spine_assets.lake.base import Lake
from spine_assets.otc.captures import pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.model import Capture, TierClass, WeekCaptures, why_current
from spine_assets.otc.delivery.field_types import DELIVERED
from spine_assets.otc.tables import rejects, row_rules
from spine_assets.otc.trace import contributions, source_lines, suggestions
from spine_assets.otc.trace.model import Line, Reject, Trace
from spine_assets.otc.trace.source_lines import Delivered

_SYMBOL = "issueSymbolIdentifier"


class _Week:
    """What is looked at: the captures of a week, why each counts or does not, their files."""

    def __init__(self, lake: Lake, landing: Path, known: WeekCaptures) -> None:
        self.lake, self.known = lake, known
        self._landing = landing
        self._opened: dict[tuple[TierClass, str], Delivered] = {}

    def delivered(self, capture: Capture) -> Delivered:
        """A capture's file as it is now; each is read once."""
        name = (capture.key, capture.capture_id)
        if name not in self._opened:
            self._opened[name] = source_lines.find(self._landing, capture)
        return self._opened[name]

    def why(self, capture: Capture) -> str:
        chosen = pins.chosen(self.known.pins)
        return why_current(capture, self.known.current[capture.key], chosen)

    def counts(self, capture: Capture) -> bool:
        return self.known.current[capture.key] == capture


def trace(
    lake: Lake,
    landing: Path,
    symbol: str,
    week: date,
    mpid: str | None = None,
    tier: Tier | None = None,
) -> Trace:
    """Trace a symbol's week.

    Args:
        lake: Where captures and tables are.
        landing: The landing folder, where delivered files are looked for.
        symbol: As FINRA writes it; case matters.
        week: Week ending.
        mpid: Only this venue, as `otc_venue_volume` names it.
        tier: Only this tier.

    Raises:
        NothingTraced: the week is not captured or has no such line; it says what is near.
        LakeError: a file of the lake cannot be read.
    """
    known = captures.known_of(lake, week)
    if not known.captures:
        raise suggestions.no_week(lake, week)
    looked = _Week(lake, landing, known)
    lines, rule_rejects = _lines(looked, symbol)
    turned_away = [*_parse_rejects(looked, symbol), *rule_rejects]
    if not lines and not turned_away:
        raise suggestions.no_symbol(lake, week, symbol)

    def wanted(of_tier: str, venue: str | None) -> bool:
        return tier in {None, of_tier} and mpid in {None, venue}

    chosen = [item for item in lines if wanted(item.tier, item.mpid)]
    chosen.sort(key=lambda item: (not item.counts, -item.share_volume))
    chosen_rejects = [item for item in turned_away if wanted(item.tier, _venue_of(item, lines))]
    if not chosen and not chosen_rejects:
        raise suggestions.no_venue(week, symbol, mpid, tier, {(i.tier, i.mpid) for i in lines})
    return Trace(
        symbol,
        week,
        tuple(chosen),
        tuple(chosen_rejects),
        contributions.of_lines(lake, week, symbol, chosen),
        contributions.sums(lake, week, symbol, [item for item in lines if item.counts]),
        contributions.freshness(lake, week, known),
    )


def _lines(looked: _Week, symbol: str) -> tuple[list[Line], list[Reject]]:
    """Every line of the symbol, of all captures; the rule rejects of those that count."""
    found: list[Line] = []
    rejected: list[Reject] = []
    for capture in looked.known.captures:
        path = captures.raw_path(looked.lake, capture)
        rows = looked.lake.read(path, where=pl.col("symbol") == symbol)
        if rows.is_empty():
            continue
        # Row rules look at one key at a time, so a symbol's rows of one capture are enough.
        accepted, broken = row_rules.split(rows)
        judged = pl.concat([accepted, broken], how="diagonal").sort("source_line")
        found += _worded(looked, capture, judged)
        if looked.counts(capture):
            table = rejects.from_rules(broken)
            rejected += [_reject(looked, capture, row) for row in table.to_dicts()]
    return found, rejected


def _worded(looked: _Week, capture: Capture, judged: pl.DataFrame) -> Iterable[Line]:
    delivered = looked.delivered(capture)
    texts = source_lines.texts(delivered, judged)
    counts = looked.counts(capture)
    for row, (text, text_is) in zip(judged.to_dicts(), texts, strict=True):
        made: dict[str, Any] = {
            "tier": row["tier_name"],
            "mpid": row["venue_id"],
            "counts": counts and row.get("reason") is None,
            "capture_counts": looked.why(capture),
            "reason": row.get("reason"),
            "raw_text": text,
            "raw_text_is": text_is,
            "file_is": delivered.state,
        }
        rest = {name: row[name] for name in Line.__dataclass_fields__ if name not in made}
        yield Line(**rest, **made)


def _parse_rejects(looked: _Week, symbol: str) -> Iterable[Reject]:
    """Lines that could not be typed and whose own field names the symbol.

    Where the fields stand is told by the file; where it is gone, FINRA's order is taken.
    """
    for capture in looked.known.captures:
        path = captures.rejects_path(looked.lake, capture)
        if not capture.rejects or not path.exists():
            continue
        header = looked.delivered(capture).header
        for row in looked.lake.read(path).to_dicts():
            if source_lines.field(row["raw_line"], header, _SYMBOL) == symbol:
                yield _reject(looked, capture, row)


def _reject(looked: _Week, capture: Capture, row: dict[str, Any]) -> Reject:
    made: dict[str, Any] = {
        "tier": capture.tier.value,
        "venue_class": capture.venue_class.value,
        "capture_counts": looked.why(capture),
        "file_is": looked.delivered(capture).state,
    }
    rest = {name: row[name] for name in Reject.__dataclass_fields__ if name not in made}
    return Reject(**rest, **made)


def _venue_of(item: Reject, lines: Iterable[Line]) -> str | None:
    """The venue of a rejected line: its own line's where it was typed, else the MPID in it."""
    place = (item.source_file, item.source_line)
    typed = (line.mpid for line in lines if (line.source_file, line.source_line) == place)
    return next(typed, None) or source_lines.field(item.raw_line, DELIVERED, "MPID")
