"""Checks of `otc_raw`: is everything that was delivered accounted for?"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from spine_assets.lake import LakeError
from spine_assets.otc import checking
from spine_assets.otc.checking import CheckContext, CheckResult, Severity, plain, sample
from spine_assets.otc.reasons import ADVICE, Reason
from spine_assets.weeks import Tier, publication_day

if TYPE_CHECKING:
    from spine_assets.otc.captures import Capture, Key

_HEADER_LINES = 1
_LEAST_PART_OF_RECENT = 0.5  # a file with fewer rows than half the recent weeks' looks cut
# A correction changes single rows; one that lacks a tenth of them is more likely cut.
_LEAST_PART_OF_DISPLACED = 0.9
_RECENT_WEEKS = 4
_NAMED_FINDINGS = 3  # in the summary; the sample has the others
_MOST_REJECTS_PCT = 1.0  # above it the delivery itself is in doubt


def schema(context: CheckContext) -> CheckResult:
    """Validate the captures that this run made; earlier ones passed before their commit."""
    if not context.new:
        rows = sum(capture.rows for capture in context.current.values())
        return context.result("schema", True, f"{rows:,} rows, validated when captured")
    return checking.validate(context, pl.concat(context.new_rows))


def conservation(context: CheckContext) -> CheckResult:
    """Lines = header + blank + rows + parse rejects; shares likewise, file by file."""
    accounts = [_account(capture) for capture in context.captures]
    accounts.sort(key=lambda row: str(row["source_file"]))
    wrong = [row for row in accounts if row["lines_missing"] or row["shares_missing"] != "0"]
    facts = {
        "captures": len(accounts),
        "lines": sum(row["lines"] for row in accounts),
        "rows": sum(row["rows"] for row in accounts),
        "parse_rejects": sum(row["parse_rejects"] for row in accounts),
    }
    if wrong:
        return context.result(
            "conservation",
            False,
            f"{len(wrong)} of {len(accounts)} files do not add up; nothing was published. "
            "Keep the file and report it: the parser lost or invented a line.",
            facts=facts,
            samples=wrong[: checking.SAMPLE_ROWS],
        )
    return context.result(
        "conservation",
        True,
        f"all {facts['lines']:,} lines of {len(accounts)} captures are accounted for",
        facts=facts,
        samples=accounts[: checking.SAMPLE_ROWS],
    )


def _account(capture: Capture) -> dict[str, Any]:
    known = _HEADER_LINES + capture.blank_lines + capture.rows + capture.reject_lines
    lost: Decimal = capture.file_shares - capture.row_shares - capture.reject_shares
    return {
        "source_file": capture.source_file,
        "lines": capture.lines_counted,
        "blank": capture.blank_lines,
        "rows": capture.rows,
        "parse_rejects": capture.reject_lines,
        "lines_missing": capture.lines_counted - known,
        "shares_missing": plain(lost),
    }


def delivery(context: CheckContext) -> CheckResult:
    """What is late, cut, unusable or superseded, as of this run."""
    findings = [*_overdue(context), *_truncated(context), *_not_current(context)]
    findings += [
        {"finding": "unusable_file", "what": item.name, "detail": item.reason}
        for item in context.unusable
    ]
    tiers = sorted({tier.value for tier, _ in context.current})
    facts = {"tiers_in": ", ".join(tiers), "findings": len(findings)}
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


def _truncated(context: CheckContext) -> list[dict[str, Any]]:
    """Current captures that end in mid-line with a reject there, or are far too short."""
    found = []
    recent = _recent_rows(context)
    for key, capture in context.current.items():
        rows = recent[key]
        typical = sum(rows) / len(rows) if rows else None
        if typical is not None and capture.rows < _LEAST_PART_OF_RECENT * typical:
            detail = f"{capture.rows} rows where recent weeks had about {typical:.0f}"
        elif lost := _rows_lost(context, capture):
            detail = f"{capture.rows} rows where the capture it replaces had {lost}"
        elif capture.ends_mid_line and _last_line_rejected(context, capture):
            detail = f"its last line (line {capture.lines_counted}) is cut"
        else:
            continue
        found.append(
            {
                "finding": "truncated_file",
                "what": capture.source_file,
                "detail": f"{detail}; compare it with the source and deliver it again",
            }
        )
    return found


def _rows_lost(context: CheckContext, capture: Capture) -> int | None:
    """Rows of the capture that this one displaced, where those were many more."""
    displaced = [
        item for item in context.captures if item.key == capture.key and item.rank < capture.rank
    ]
    before = max(displaced, key=lambda item: item.rank).rows if displaced else 0
    return before if capture.rows < _LEAST_PART_OF_DISPLACED * before else None


def _recent_rows(context: CheckContext) -> dict[Key, list[int]]:
    """By tier and class: rows of the current captures of up to four earlier weeks."""
    from spine_assets.otc import captures  # captures needs this module for its table

    earlier = [week for week in context.lake.weeks("otc_raw") if week < context.week]
    held = []
    for week in earlier[-_RECENT_WEEKS:]:
        with suppress(LakeError):  # that week's own build names its damaged file
            held.append(captures.current_of(context.lake, week))
    return {
        key: [current[key].rows for current in held if key in current] for key in context.current
    }


def _last_line_rejected(context: CheckContext, capture: Capture) -> bool:
    turned_away = context.frames["otc_rejects"].filter(
        (pl.col("capture_id") == capture.capture_id)
        & (pl.col("source_line") == capture.lines_counted)
    )
    return not turned_away.is_empty()


def _not_current(context: CheckContext) -> list[dict[str, Any]]:
    current = {capture.capture_id: capture for capture in context.current.values()}
    return [
        {
            "finding": "capture_not_current",
            "what": capture.source_file,
            "detail": f"its latest update is {capture.last_update_date}, the current capture "
            f"{context.current[capture.key].capture_id} has "
            f"{context.current[capture.key].last_update_date} and stands; to choose "
            f"the new one: spine captures use {capture.capture_id}",
        }
        for capture in context.new
        if capture.capture_id not in current and not _superseded_here(context, capture)
    ]


def _superseded_here(context: CheckContext, capture: Capture) -> bool:
    """A correction that came in the same run is no surprise, where its date says so.

    Without a later date only the hash of the contents decides, which somebody must see.
    """
    winner = context.current[capture.key]
    return winner in context.new and winner.last_update_date > capture.last_update_date


def rejects(context: CheckContext) -> CheckResult:
    """Counts by reason over the current captures."""
    turned_away = context.frames["otc_rejects"]
    lines = sum(capture.lines_counted for capture in context.current.values())
    part = 100 * turned_away.height / lines if lines else 0.0
    counts = dict(turned_away.group_by("reason").len().sort("reason").iter_rows())
    facts = {
        "rejects": turned_away.height,
        "lines": lines,
        "rejects_pct": round(part, 4),
        "shares": plain(turned_away["share_volume"].sum()),
        **counts,
    }
    if not counts:
        return context.result("rejects", True, f"none of {lines:,} lines", facts=facts)
    advice = "; ".join(
        f"{reason} x{count}: {ADVICE[Reason(reason)]}" for reason, count in counts.items()
    )
    severe = part > _MOST_REJECTS_PCT
    return context.result(
        "rejects",
        False,
        f"{turned_away.height:,} of {lines:,} lines ({part:.2f}%) were turned away. {advice}",
        severity=Severity.ERROR if severe else Severity.WARN,
        facts=facts,
        samples=sample(
            turned_away.select(
                "reason", "field", "detail", "source_file", "source_line", "raw_line"
            )
        ),
    )
