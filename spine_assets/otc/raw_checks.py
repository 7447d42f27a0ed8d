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
_MOST_LOST_OF_DISPLACED = 0.1
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
    recent = _recent(context)
    findings = [
        *_overdue(context),
        *_missing_classes(context, recent),
        *_truncated(context, recent),
        *_not_current(context),
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
    context: CheckContext, recent: list[dict[Key, Capture]]
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


def _truncated(context: CheckContext, recent: list[dict[Key, Capture]]) -> list[dict[str, Any]]:
    """Current captures that are far too short, or may end in the middle of a line."""
    found = []
    for key, capture in context.current.items():
        rows = [held[key].rows for held in recent if key in held]
        typical = sum(rows) / len(rows) if rows else None
        if typical is not None and capture.rows < _LEAST_PART_OF_RECENT * typical:
            detail = f"{capture.rows} rows where recent weeks had about {typical:.0f}"
        elif lost := _rows_lost(context, capture):
            detail = f"it lacks {lost} of the capture it replaces"
        elif capture.ends_mid_line and _last_line_rejected(context, capture):
            detail = f"its last line (line {capture.lines_counted}) is cut"
        elif capture.ends_mid_line and not capture.ends_with_date:
            detail = (
                f"its last line (line {capture.lines_counted}) has no line end, and its last "
                "column would not show a cut"
            )
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


def _rows_lost(context: CheckContext, capture: Capture) -> str | None:
    """How many rows of the displaced capture this one lacks, where those are many."""
    displaced = [
        item for item in context.captures if item.key == capture.key and item.rank < capture.rank
    ]
    if not displaced:
        return None
    before = _row_keys(context, max(displaced, key=lambda item: item.rank))
    lost = before.join(_row_keys(context, capture), on=before.columns, how="anti", nulls_equal=True)
    if lost.height <= _MOST_LOST_OF_DISPLACED * before.height:
        return None
    return f"{lost.height} of the {before.height} rows"


def _row_keys(context: CheckContext, capture: Capture) -> pl.DataFrame:
    """Symbol and venue of each row of a capture, however the venue is called now."""
    from spine_assets.otc import captures  # captures needs this module for its table

    venue = ["mpid", "firm_crd", "venue_name"]
    ids = [item.capture_id for item in context.new]
    rows = dict(zip(ids, context.new_rows, strict=True)).get(capture.capture_id)
    if rows is None:
        path = captures.raw_path(context.lake, capture)
        rows = context.lake.read(path, ["symbol", *venue])
    return rows.select("symbol", venue=pl.coalesce(venue)).unique()


def _recent(context: CheckContext) -> list[dict[Key, Capture]]:
    """The captures that count of up to four earlier weeks within reach, the latest last."""
    from spine_assets.otc import captures

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


def _decided(context: CheckContext, item: Capture) -> bool:
    return any(pin.key == item.key and pin.pinned_at >= item.captured_at for pin in context.pins)


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
