"""Check `delivery` of `otc_raw`: what is late, cut, unusable or superseded, as of the run."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import polars as pl

from spine_assets.core.weeks import Tier, publication_day
from spine_assets.lake.base import LakeError
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.model import Capture, TierClass
from spine_assets.otc.checks import context as checking
from spine_assets.otc.checks.context import CheckContext
from spine_assets.otc.state.results import CheckResult, Severity
from spine_assets.otc.tables.venue_id import participant

_LEAST_PART_OF_RECENT = 0.5  # a file with fewer rows than half the recent weeks' looks cut
# A correction changes single rows; one that lacks a tenth of them is more likely cut.
_MOST_LOST_OF_DISPLACED = 0.1
_RECENT_WEEKS = 4
_NAMED_FINDINGS = 3  # in the summary; the sample has the others


def delivery(context: CheckContext) -> CheckResult:
    """What is late, cut, unusable or superseded, as of this run."""
    recent = _recent(context)
    findings = [
        *_overdue(context),
        *_missing_classes(context, recent),
        *_truncated(context, recent),
        *_not_current(context),
        *_in_doubt(context),
        *_in_other_weeks(context),
    ]
    findings += [
        {"finding": "unusable_file", "what": item.name, "detail": item.reason}
        for item in context.unusable
    ]
    tiers = sorted({tier.value for tier, _ in context.current})
    facts = {
        "tiers_in": ", ".join(tiers),
        "findings": len(findings),
        "same_content": len(context.same_content),
    }
    if not findings:
        return context.result(
            "delivery", True, f"all due tiers are in: {facts['tiers_in']}", facts=facts
        )
    named = "; ".join(
        f"{row['finding']} {row['what']}: {row['detail']}" for row in findings[:_NAMED_FINDINGS]
    )
    more = (
        f"; and {len(findings) - _NAMED_FINDINGS} more" if len(findings) > _NAMED_FINDINGS else ""
    )
    return context.result(
        "delivery",
        False,
        named + more,
        severity=Severity.WARN,
        facts=facts,
        samples=findings[: checking.SAMPLE_ROWS],
    )


def _overdue(context: CheckContext) -> list[dict[str, Any]]:
    arrived = {tier for tier, _ in context.current}
    due = {tier: publication_day(context.week, tier) for tier in Tier}
    return [
        {
            "finding": "tier_overdue",
            "what": tier.value,
            "detail": f"was due on {day}; download it and drop it into the landing folder",
        }
        for tier, day in due.items()
        if tier not in arrived and day < context.today
    ]


def _missing_classes(
    context: CheckContext, recent: list[dict[TierClass, Capture]]
) -> list[dict[str, Any]]:
    """Classes of an arrived tier that recent weeks had and this one lacks."""
    arrived = {tier for tier, _ in context.current}
    usual = sorted({key for held in recent for key in held})
    return [
        {
            "finding": "class_missing",
            "what": f"{tier} {venue_class}",
            "detail": "recent weeks have it; shares of the market do not compare without it: "
            "download it and drop it into the landing folder",
        }
        for tier, venue_class in usual
        if tier in arrived and (tier, venue_class) not in context.current
    ]


def _truncated(
    context: CheckContext, recent: list[dict[TierClass, Capture]]
) -> list[dict[str, Any]]:
    """Current captures that are far too short, or may end in the middle of a line."""
    reasons = [
        (
            capture.source_file,
            _cut(context, capture, [held[key].rows for held in recent if key in held]),
        )
        for key, capture in context.current.items()
    ]
    return [
        {
            "finding": "truncated_file",
            "what": name,
            "detail": f"{reason}; compare it with the source and deliver it again",
        }
        for name, reason in reasons
        if reason
    ]


def _cut(context: CheckContext, capture: Capture, rows: list[int]) -> str | None:
    """Why a capture looks cut, given the rows that recent weeks had; None where it does not."""
    typical = sum(rows) / len(rows) if rows else 0.0
    if capture.rows < _LEAST_PART_OF_RECENT * typical:
        return f"{capture.rows} rows where recent weeks had about {typical:.0f}"
    if lost := _rows_lost(context, capture):
        accept = f"spine captures use {capture.capture_id}"
        return f"it lacks {lost} of the capture it replaces (if that is right: {accept})"
    if not capture.ends_mid_line:
        return None
    if _last_line_rejected(context, capture):
        return f"its last line (line {capture.lines_counted}) is cut"
    if capture.ends_with_date:
        return None
    return "its last line has no line end, and its last column would not show a cut"


def _rows_lost(context: CheckContext, capture: Capture) -> str | None:
    """How many rows of the displaced capture this one lacks, where those are many."""
    displaced = [
        item for item in context.captures if item.key == capture.key and item.rank < capture.rank
    ]
    accepted = any(pin.capture_id == capture.capture_id for pin in context.pins)
    if not displaced or accepted:
        return None
    before = _row_keys(context, max(displaced, key=lambda item: item.rank))
    lost = before.join(_row_keys(context, capture), on=before.columns, how="anti", nulls_equal=True)
    if lost.height <= _MOST_LOST_OF_DISPLACED * before.height:
        return None
    return f"{lost.height} of the {before.height} rows"


def _row_keys(context: CheckContext, capture: Capture) -> pl.DataFrame:
    """Symbol and participant, as delivered, of each row of a capture."""
    ids = [item.capture_id for item in context.new]
    rows = dict(zip(ids, context.new_rows, strict=True)).get(capture.capture_id)
    if rows is None:
        rows = context.lake.read(captures.raw_path(context.lake, capture))
    return rows.select("symbol", participant=participant()).unique()


def _recent(context: CheckContext) -> list[dict[TierClass, Capture]]:
    """The captures that count of up to four earlier weeks within reach, the latest last."""
    earlier = [week for week in context.lake.weeks("otc_raw") if week < context.week]
    held = []
    for week in earlier[-_RECENT_WEEKS:]:
        with suppress(LakeError):  # that week's own build names its damaged file
            held.append(captures.current_of(context.lake, week))
    return held


def _last_line_rejected(context: CheckContext, capture: Capture) -> bool:
    turned_away = context.frames["otc_rejects"].filter(
        (pl.col("capture_id") == capture.capture_id)
        & (pl.col("source_line") == capture.lines_counted)
    )
    return not turned_away.is_empty()


def _not_current(context: CheckContext) -> list[dict[str, Any]]:
    """Captures that arrived after what counts, and that nobody decided about since.

    Of captures of one arrival and one update date the hash of the content decides, which
    somebody must see as well.
    """
    found = []
    for item in context.captures:
        winner = context.current[item.key]
        later = item.captured_at > winner.captured_at
        tied = (item.captured_at, item.last_update_date) == (
            winner.captured_at,
            winner.last_update_date,
        )
        if item != winner and (later or tied) and not _decided(context, item):
            found.append(
                {
                    "finding": "capture_not_current",
                    "what": item.source_file,
                    "detail": f"its latest update is {item.last_update_date}, the current capture "
                    f"{winner.capture_id} has {winner.last_update_date} and stands; to choose the "
                    f"new one: spine captures use {item.capture_id}; to keep the current one and "
                    f"this warning off: spine captures use {winner.capture_id}",
                }
            )
    return found


def _in_doubt(context: CheckContext) -> list[dict[str, Any]]:
    """Captures that count and half of whose rows speak for another week than their path."""
    return [
        {
            "finding": "week_in_doubt",
            "what": item.source_file,
            "detail": f"its path says {item.week_ending}, but half of its rows or more were "
            f"updated on the publication day of week ending {item.alternative_week}; compare it "
            f"with the source. If it is right: spine captures use {item.capture_id}",
        }
        for item in context.current.values()
        if item.alternative_week and not _decided(context, item)
    ]


def _in_other_weeks(context: CheckContext) -> list[dict[str, Any]]:
    """One content can hardly be two weeks, however firmly two paths say so."""
    return [
        {
            "finding": "content_of_two_weeks",
            "what": name,
            "detail": f"the same content is also delivered as {other}; one of the two is in the "
            "wrong place",
        }
        for name, other in sorted(context.in_other_weeks.items())
    ]


def _decided(context: CheckContext, item: Capture) -> bool:
    return any(pin.key == item.key and pin.pinned_at >= item.captured_at for pin in context.pins)
