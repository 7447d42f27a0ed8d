"""From a number in any table back to the delivered lines, and on to every figure they are part of.

Belongs here: which lines a trace has. Does not belong here: its values (`model`), the verified text
of a line (`source_lines`), the stored figures (`contributions`), the errors if nothing is found
(`suggestions`), and runs, which only Dagster knows (`orchestration.history`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from spine_assets.core.weeks import Tier
from spine_assets.lake.base import Lake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.current import WeekCaptures
from spine_assets.otc.captures.model import Capture, TierClass
from spine_assets.otc.delivery.line_schema import MPID, SYMBOL
from spine_assets.otc.delivery.reasons import Stage
from spine_assets.otc.tables import rejects, row_rules
from spine_assets.otc.trace import contributions, source_lines, suggestions
from spine_assets.otc.trace.model import Line, Reject, Trace
from spine_assets.otc.trace.source_lines import Delivered


class _Captured:
    """The captures of a week, whether and why each is current, and their delivered contents."""

    def __init__(self, lake: Lake, landing: Path, known: WeekCaptures) -> None:
        self.lake, self.known = lake, known
        self._landing = landing
        self._opened: dict[tuple[TierClass, str], Delivered] = {}

    def delivered(self, capture: Capture) -> Delivered:
        """A capture's content as it is now; each is read once."""
        name = (capture.key, capture.capture_id)
        if name not in self._opened:
            self._opened[name] = source_lines.find(self.lake, self._landing, capture)
        return self._opened[name]

    def why(self, capture: Capture) -> str:
        state, why = self.known.state(capture)
        return f"{state}: {why}"

    def counts(self, capture: Capture) -> bool:
        return self.known.current.get(capture.key) == capture


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
        landing: The landing folder, where contents are looked for that the lake does not have.
        symbol: As FINRA writes it; case matters.
        week: Week ending.
        mpid: Only this venue, as `otc_venue_volume` names it.
        tier: Only this tier.

    Raises:
        NothingTraced: the week is not captured or has no such line.
        LakeError: a file of the lake cannot be read.
    """
    known = captures.known_of(lake, week)
    if not known.captures:
        raise suggestions.no_week(lake, week)
    captured = _Captured(lake, landing, known)
    lines, rule_rejects = _lines(captured, symbol)
    rejected = [*_parse_rejects(captured, symbol), *rule_rejects]
    if not lines and not rejected:
        raise suggestions.no_symbol(lake, week, symbol)

    def wanted(of_tier: str, venue: str | None) -> bool:
        return tier in {None, of_tier} and mpid in {None, venue}

    chosen = [item for item in lines if wanted(item.tier, item.mpid)]
    chosen.sort(key=lambda item: (not item.counts, -item.share_volume))
    chosen_rejects = [
        item for item in rejected if wanted(item.tier, _venue_of(captured, item, lines))
    ]
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
        contributions.reported(lake, week, symbol, chosen),
    )


def _lines(captured: _Captured, symbol: str) -> tuple[list[Line], list[Reject]]:
    """Every line of the symbol, of all captures; the rule rejects of the current ones."""
    found: list[Line] = []
    rejected: list[Reject] = []
    for capture in captured.known.captures:
        rows = captures.read_rows(captured.lake, capture, where=pl.col("symbol") == symbol)
        if rows.is_empty():
            continue
        # Row rules compare rows of one key, so a symbol's rows of one capture are enough.
        accepted, broken = row_rules.split(rows)
        judged = pl.concat([accepted, broken], how="diagonal").sort("source_line")
        found += _as_lines(captured, capture, judged)
        if captured.counts(capture):
            table = rejects.from_rules(broken)
            rejected += [_reject(captured, capture, row) for row in table.to_dicts()]
    return found, rejected


def _as_lines(captured: _Captured, capture: Capture, judged: pl.DataFrame) -> Iterable[Line]:
    delivered = captured.delivered(capture)
    texts = source_lines.texts(delivered, judged)
    counts = captured.counts(capture)
    for row, (text, text_is) in zip(judged.to_dicts(), texts, strict=True):
        made: dict[str, Any] = {
            "tier": row["tier_name"],
            "mpid": row["venue_id"],
            "counts": counts and row.get("reason") is None,
            "capture_counts": captured.why(capture),
            "reason": row.get("reason"),
            "raw_text": text,
            "raw_text_is": text_is,
            "file_is": delivered.state,
        }
        rest = {name: row[name] for name in Line.__dataclass_fields__ if name not in made}
        yield Line(**rest, **made)


def _parse_rejects(captured: _Captured, symbol: str) -> Iterable[Reject]:
    """Lines that could not be typed and whose own field names the symbol.

    The fields are those of the file's header and form; if the file is missing, FINRA's.
    """
    for capture in captured.known.captures:
        path = captures.rejects_path(captured.lake, capture)
        if not capture.rejects or not path.exists():
            continue
        delivered = captured.delivered(capture)
        for row in captured.lake.read(path).to_dicts():
            if delivered.field(row["raw_line"], SYMBOL) == symbol:
                yield _reject(captured, capture, row)


def _reject(captured: _Captured, capture: Capture, row: dict[str, Any]) -> Reject:
    made: dict[str, Any] = {
        "tier": capture.tier.value,
        "venue_class": capture.venue_class.value,
        "capture_counts": captured.why(capture),
        "file_is": captured.delivered(capture).state,
    }
    rest = {name: row[name] for name in Reject.__dataclass_fields__ if name not in made}
    return Reject(**rest, **made)


def _venue_of(captured: _Captured, item: Reject, lines: Iterable[Line]) -> str | None:
    """The venue of a rejected line: that of the typed line, else the MPID in its text."""
    place = (item.source_file, item.source_line)
    typed = (line.mpid for line in lines if (line.source_file, line.source_line) == place)
    if venue := next(typed, None):
        return venue
    if item.stage == Stage.RULE.value:
        return Delivered(item.file_is).field(item.raw_line, MPID)
    same = (one for one in captured.known.captures if one.capture_id == item.capture_id)
    return captured.delivered(next(same)).field(item.raw_line, MPID)
