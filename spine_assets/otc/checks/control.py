"""Checks `control`: our sums of a week against FINRA's own totals.

A total may have been fetched before or after a restated row, so these checks never keep a week from
being published. Does not belong here: which sums are compared, and when they agree
(`state.control`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from spine_assets.core.values import number
from spine_assets.otc.checks.context import CheckContext, sample
from spine_assets.otc.state import control
from spine_assets.otc.state.control import PART
from spine_assets.otc.state.results import CheckResult
from spine_assets.otc.tables import control_totals
from spine_assets.otc.tables.control_totals import SummaryType

_NAMED = 3  # in a summary; the sample has the others


def by_symbol(context: CheckContext) -> CheckResult:
    """Sums by tier, class and symbol, and over all symbols."""
    sides = _Sides.of(context, SummaryType.SYMBOL, SummaryType.ALL)
    return _result(context, sides, context.inputs.frames.compared.by_symbol, "symbol")


def by_venue(context: CheckContext) -> CheckResult:
    """Sums by tier, class and venue, and over all venues."""
    sides = _Sides.of(context, SummaryType.FIRM)
    return _result(context, sides, context.inputs.frames.compared.by_venue, "mpid")


@dataclass(frozen=True)
class _Sides:
    """Our sums by venue, and FINRA's totals of some kinds."""

    ours: pl.DataFrame
    totals: pl.DataFrame
    kinds: tuple[SummaryType, ...]

    @classmethod
    def of(cls, context: CheckContext, *kinds: SummaryType) -> _Sides:
        frames = context.inputs.frames
        is_wanted = pl.col("summary_type").is_in([kind.value for kind in kinds])
        totals = frames[control_totals.TABLE.name].filter(is_wanted)
        return cls(frames.our_sums.by_venue, totals, kinds)

    def without_totals(self) -> list[str]:
        """Tiers and classes for which there are rows, and no totals."""
        return [
            " ".join(part) for part in control.parts_without(self.ours, self.totals, self.kinds[0])
        ]

    def without_rows(self) -> list[str]:
        """Tiers and classes for which there are totals, and no rows."""
        parts = self.totals.select(PART).unique()
        return [" ".join(part) for part in _without(parts, self.ours)]

    def of_other_days(self) -> Iterator[str]:
        """Tiers and classes whose totals and rows have another latest update."""
        ours, theirs = (
            frame.group_by(PART).agg(day=pl.col("last_update_date").max())
            for frame in (self.ours, self.totals)
        )
        both = theirs.join(ours, on=PART, suffix="_of_rows").sort(PART)
        for tier, venue_class, day, of_rows in both.iter_rows():
            if day != of_rows:
                age = "older" if day < of_rows else "newer"
                yield (
                    f"totals of {tier} {venue_class} are {age} than the rows (last updated on "
                    f"{day}, the rows on {of_rows})"
                )


def _without(parts: pl.DataFrame, others: pl.DataFrame) -> list[tuple[str, str]]:
    return parts.join(others.select(PART).unique(), on=PART, how="anti").sort(PART).rows()


def _result(context: CheckContext, sides: _Sides, pairs: pl.DataFrame, by: str) -> CheckResult:
    what = "symbols" if by == "symbol" else "venues"
    differing = pairs.filter(~pl.col("agrees") & ~pl.col("is_explained"))
    explained = pairs.filter("is_explained")
    compared = pairs.select(PART).unique().height
    missing = sides.without_totals()
    facts = {
        f"{what}_compared": pairs.filter(pl.col(by).is_not_null()).height,
        "tiers_and_classes_compared": compared,
        "differing": differing.height,
        "explained_by_rejects": explained.height,
        "not_delivered": ", ".join(missing),
    }
    if not differing.is_empty():
        shown = _largest(differing).head(_NAMED).iter_rows(named=True)
        more = differing.height - _NAMED
        head = (
            f"{differing.height:,} of {pairs.height:,} sums differ from FINRA's totals: "
            f"{'; '.join(_difference(row, by) for row in shown)}"
            f"{f'; and {more:,} more' if more > 0 else ''}. Fetch rows and totals again: "
            f"spine fetch --week {context.week}"
        )
    elif compared:
        each = "tier and class" if compared == 1 else "tiers and classes"
        added = " once our rejected lines are added" if explained.height else ""
        head = (
            f"{facts[f'{what}_compared']:,} {what} of {compared} {each} agree with FINRA's totals"
            f"{added}"
        )
    else:
        head = "nothing is compared"
    notes = [head, *sides.of_other_days(), *_unread(context)]
    if missing:
        notes.append(f"not delivered: FINRA's totals of {', '.join(missing)}")
    if unloaded := sides.without_rows():
        notes.append(f"totals without rows: {', '.join(unloaded)}")
    if explained.height:
        rows = _largest(explained).head(_NAMED).iter_rows(named=True)
        named = ", ".join(f"{_label(row, by)} {_text(row['rejected_shares'])}" for row in rows)
        lack = "lack exactly the shares of rejected lines"
        notes.append(f"{explained.height:,} sums {lack} ({named})")
    return context.result(
        "control",
        differing.is_empty(),
        "; ".join(notes),
        facts=facts,
        samples=sample(_shown(pl.concat([_largest(differing), _largest(explained)]), by)),
    )


def _largest(pairs: pl.DataFrame) -> pl.DataFrame:
    """With the missing shares of each, the most first; sums over a whole tier come last."""
    missing = pl.col("finra_shares").fill_null(0) - pl.col("our_shares").fill_null(0)
    by = "symbol" if "symbol" in pairs.columns else "mpid"
    frame = pairs.with_columns(difference=missing)
    size = -pl.col("difference").cast(pl.Float64).abs()
    return frame.sort(pl.col(by).is_null(), size, *PART, by)


def _shown(pairs: pl.DataFrame, by: str) -> pl.DataFrame:
    names = ["venue_name"] if by == "mpid" else []
    figures = ["finra_shares", "our_shares", "difference", "finra_trades", "our_trades"]
    return pairs.select(*PART, by, *names, *figures, "rejected_shares")


def _difference(row: dict[str, Any], by: str) -> str:
    """One sum that differs, with both figures."""
    unit = "trades" if row["finra_shares"] == row["our_shares"] else "shares"
    figures = f"FINRA {_text(row[f'finra_{unit}'])} {unit}, our rows {_text(row[f'our_{unit}'])}"
    if unit == "shares":
        figures += f" (difference {_text(row['difference'])})"
    if row["rejected_shares"]:
        figures += f", our rejected lines {_text(row['rejected_shares'])}"
    return f"{_label(row, by)}: {figures}"


def _label(row: dict[str, Any], by: str) -> str:
    what = "all" if row[by] is None else row[by] or "(blank)"
    return f"{row['tier']} {row['venue_class']} {what}"


def _text(value: Any) -> str:
    return "none" if value is None else f"{number(value):,}"


def _unread(context: CheckContext) -> Iterator[str]:
    """Captured totals of which lines could not be read: a sum of theirs may be missing."""
    latest = {item.key: item for item in context.known.ranked_totals}
    for item in latest.values():
        if item.rejects:
            counts = ", ".join(f"{reason} {count}" for reason, count in item.rejects.items())
            yield f"lines of {item.source_file} cannot be read ({counts})"
