"""What a report has beside its figures: arrival, rejects, checks, restatements, caveats.

Pure functions, except `arrivals`, which reads the lake and the landing folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl

from spine_assets.core.weeks import SESSIONS, Tier, monday_of, sessions_of
from spine_assets.otc.checks.context import SAMPLE_ROWS
from spine_assets.otc.delivery.reasons import ADVICE, RejectReason
from spine_assets.otc.delivery.venue_id import BUCKETS
from spine_assets.otc.state.build_context import RunContext
from spine_assets.otc.state.results import CheckResult, Severity
from spine_assets.otc.status import Arrival, tiers_of
from spine_assets.report.source import Source

Row = dict[str, Any]

_NO_VENUE = "it has no rank, HHI leaves it out, and HHI high counts it as one firm."
_BUCKETS = {
    BUCKETS[0]: f"De Minimis Firms is FINRA's pool of small firms, not a venue: {_NO_VENUE}",
    BUCKETS[
        1
    ]: f"ATS volume that FINRA published without an ATS is a bucket, not a venue: {_NO_VENUE}",
}
_RAW_LINES = 8  # enough to show the problem without filling the page


def arrivals(place: RunContext, source: Source, today: date) -> list[Row]:
    """Each tier, by class if it is loaded: state, due day, arrival, rows, captures."""
    tiers = tiers_of(source.week, source.known, place.landing, today)
    rows: list[Row] = []
    for tier in Tier:
        found = tiers[tier]
        mine = [item for key, item in source.known.current.items() if key[0] == tier]
        blank = {"tier": tier.value, "state": found.state.value, "due": found.due}
        for item in mine:
            same = [other for other in source.known.captures if other.key == item.key]
            rows.append(
                blank
                | {
                    "venue_class": item.venue_class.value,
                    "first_captured": min(other.captured_at for other in same),
                    "last_update_date": item.last_update_date,
                    "rows": item.rows,
                    "rejects": item.reject_lines,
                    "captures": len(same),
                    "source_file": item.source_file,
                    "capture_id": item.capture_id,
                }
            )
        if not mine:
            rows.append(blank | {"venue_class": None})
    return rows


def is_overdue(rows: Sequence[Row]) -> bool:
    """Whether a tier is missing that FINRA has published."""
    return any(row["state"] == Arrival.OVERDUE.value for row in rows)


def rejects(source: Source) -> tuple[list[Row], list[Row]]:
    """Rejects by stage and reason with their shares and a remedy, and some of their lines."""
    frame = source.rejects
    counted = (
        frame.group_by("stage", "reason")
        .agg(
            lines=pl.len(),
            # The sum of lines without a readable volume is unknown, not 0.
            shares=pl.when(pl.col("share_volume").count() > 0).then(pl.col("share_volume").sum()),
        )
        .sort("stage", "lines", "reason", descending=[False, True, False])
    )
    rows = [
        row | {"advice": ADVICE[RejectReason(row["reason"])]}
        for row in counted.iter_rows(named=True)
    ]
    shown = ["reason", "detail", "raw_line", "source_file", "source_line"]
    return rows, frame.select(shown).head(_RAW_LINES).to_dicts()


def checks(results: Sequence[CheckResult]) -> list[Row]:
    """Each check with its outcome, `failed` first, then `warned` and `passed`."""
    rows = [
        {
            "table": item.table,
            "check": item.check,
            "outcome": outcome(item),
            "summary": item.summary,
            "samples": [] if item.passed else item.samples[:SAMPLE_ROWS],
        }
        for item in results
    ]
    order = ("failed", "warned", "passed")
    return sorted(rows, key=lambda row: order.index(row["outcome"]))


def outcome(result: CheckResult) -> str:
    """`passed`, `warned` or `failed`."""
    if result.passed:
        return "passed"
    return "warned" if result.severity is Severity.WARN else "failed"


def caveats(source: Source, is_complete: bool) -> list[str]:
    """What a reader of this week must know, most serious first."""
    found = []
    if source.known.is_synthetic:
        found.append(
            "This is synthetic sample data from the project's own generator. The names of ATSs "
            "are real; firms, symbols and all figures are invented."
        )
    if not is_complete:
        found.append(
            f"This week is not complete: {', '.join(source.pair.now.missing)} not loaded. Totals, "
            "shares, ranks and HHI are without them and cannot be compared with those of complete "
            "weeks."
        )
    classes = {cls for _, cls in source.pair.now.groups}
    if len(classes) == 1:
        found.append(
            f"Only {classes.pop()} rows are loaded: all figures cover that class alone, and those "
            "of the other class are unknown, not zero."
        )
    if source.rejects.height:
        unread = source.rejects["share_volume"].null_count()
        count = source.rejects.height
        lines = f"{count:,} delivered line{'s are' if count != 1 else ' is'}"
        unreadable = f", {unread} of them with a volume that cannot be read" if unread else ""
        found.append(f"{lines} in no figure of this page{unreadable}: see Rejects.")
    if source.restated.height:
        found.append(
            f"The week was restated {_times(source.restated.height)} since it was first loaded; "
            "this page has the figures after that: see Restatements."
        )
    if source.pair.limits:
        found.append(f"Changes since week {source.pair.before.week} are {source.pair.limits}.")  # type: ignore[union-attr]
    short = [
        f"week {each} had {len(sessions_of(each))} trading days"
        for each in ([source.pair.before.week] if source.pair.before else []) + [source.week]
        if len(sessions_of(each)) < SESSIONS
    ]
    if short:
        found.append(
            f"Holidays: {' and '.join(short)}, which explains part of the change in volume."
        )
    return [
        *found,
        "Every share is a share of reported off-exchange volume: the data has no exchange volume, "
        "so no figure here is a market share of all trading.",
        "A symbol or venue without a row has no figure, which is not zero: it is listed as new or "
        "gone.",
        *(text for bucket, text in _BUCKETS.items() if bucket in source.shares["mpid"]),
    ]


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def trading_days(week: date) -> str:
    """The days of a week in words."""
    sessions = sessions_of(week)
    return (
        f"Monday {monday_of(week)} to Friday {week}, {len(sessions)} trading "
        f"day{'s' if len(sessions) != 1 else ''}"
    )
