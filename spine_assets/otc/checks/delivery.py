"""Check `delivery` of `otc_raw`: what is late, cut, unusable or superseded, as of the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from typing import Any

import polars as pl

from spine_assets.core.text import Shown, named
from spine_assets.core.weeks import Tier, publication_day
from spine_assets.lake.base import LakeError
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.current import CaptureState
from spine_assets.otc.captures.model import Capture, TierClass
from spine_assets.otc.captures.steps import steps
from spine_assets.otc.captures.week_evidence import repeated_elsewhere
from spine_assets.otc.checks import context as checking
from spine_assets.otc.checks.context import CheckContext
from spine_assets.otc.delivery.deliveries import Unusable
from spine_assets.otc.delivery.venue_id import with_participants
from spine_assets.otc.state.results import CheckResult, Severity
from spine_assets.otc.tables import raw
from spine_assets.otc.tables import rejects as rejects_table

_LEAST_PART_OF_RECENT = 0.5  # a file with fewer rows than half the recent weeks' looks cut
# A correction changes single rows; one that lacks a tenth of them is more likely cut.
_MOST_LOST_OF_DISPLACED = 0.1
_RECENT_WEEKS = 4
Finding = dict[str, Any]
_NAMED_FINDINGS = 3  # in the summary; the sample has the others


def delivery(context: CheckContext) -> CheckResult:
    """What is late, cut, unusable or superseded, as of this run."""
    recent = _recent(context)
    findings = [
        *_overdue(context),
        *_missing_classes(context, recent),
        *_truncated(context, recent),
        *_not_current(context),
        *_waiting(context),
        *_in_doubt(context),
        *_repeated(context),
        *_in_other_weeks(context),
        *(_finding("unusable_file", item.name, item.reason) for item in context.inputs.unusable),
    ]
    tiers = ", ".join(sorted({tier.value for tier, _ in context.known.current}))
    facts = {
        "tiers_in": tiers,
        "findings": len(findings),
        "same_content": len(context.inputs.same_content),
    }
    summary = f"all due tiers are in: {tiers}"
    if findings:
        texts = [f"{row['finding']} {row['what']}: {row['detail']}" for row in findings]
        summary = named(texts, "; ", _NAMED_FINDINGS)
    return context.result(
        "delivery",
        not findings,
        summary,
        failure=Severity.WARN,
        facts=facts,
        samples=findings[: checking.SAMPLE_ROWS],
    )


def nothing_usable(week: date, refused: Sequence[Unusable]) -> CheckResult:
    """The check of a week of which nothing can be built: it shows the reason on that week."""
    findings = [_finding("unusable_file", item.name, item.reason) for item in refused]
    why = named([item.text for item in refused], "; ", _NAMED_FINDINGS)
    return CheckResult(
        raw.TABLE.name,
        "delivery",
        passed=False,
        summary=f"no usable file of {week}: {why or 'none is in the landing folder'}",
        facts={"findings": len(findings)},
        samples=findings[: checking.SAMPLE_ROWS],
    )


def _finding(kind: str, what: str, detail: str) -> Finding:
    return {"finding": kind, "what": Shown(what), "detail": Shown(detail)}


def _overdue(context: CheckContext) -> Iterator[Finding]:
    arrived = {tier for tier, _ in context.known.current}
    for tier in Tier:
        day = publication_day(context.week, tier)
        if tier not in arrived and day < context.today:
            detail = f"was due on {day}; download it and drop it into the landing folder"
            yield _finding("tier_overdue", tier.value, detail)


def _missing_classes(
    context: CheckContext, recent: list[dict[TierClass, Capture]]
) -> Iterator[Finding]:
    """Classes of an arrived tier that recent weeks had and this one lacks."""
    arrived = {tier for tier, _ in context.known.current}
    for tier, venue_class in sorted({key for current in recent for key in current}):
        if tier in arrived and (tier, venue_class) not in context.known.current:
            detail = (
                "recent weeks have it; shares of the market do not compare without it: "
                "download it and drop it into the landing folder"
            )
            yield _finding("class_missing", f"{tier} {venue_class}", detail)


def _truncated(context: CheckContext, recent: list[dict[TierClass, Capture]]) -> Iterator[Finding]:
    """Current captures that are far too short, or may end in the middle of a line."""
    for key, capture in context.known.current.items():
        rows = [current[key].rows for current in recent if key in current]
        if reason := _cut(context, capture, rows):
            detail = f"{reason}; compare it with the source and deliver it again"
            yield _finding("truncated_file", capture.source_file, detail)


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
    return "its last line has no line end, so its last field may be cut"


def _rows_lost(context: CheckContext, capture: Capture) -> str | None:
    """How many rows of the displaced capture this one lacks, where those are many."""
    known = context.known
    made = [step for step in steps(known.captures, known.pins) if step.after == capture]
    displaced = [step.before for step in made if step.before is not None]
    accepted = any(pin.capture_id == capture.capture_id for pin in context.known.pins)
    if not displaced or accepted:
        return None
    key, frames = ["symbol", "participant"], context.inputs.frames
    before, after = (
        frame.select(key).unique()
        for frame in with_participants(frames.rows_of(displaced[-1]), frames.rows_of(capture))
    )
    lost = before.join(after, on=key, how="anti")
    if lost.height <= _MOST_LOST_OF_DISPLACED * before.height:
        return None
    return f"{lost.height} of the {before.height} rows"


def _recent(context: CheckContext) -> list[dict[TierClass, Capture]]:
    """The current captures of up to four earlier weeks, the latest last."""
    lake = context.other_weeks.lake
    earlier = [week for week in lake.weeks(raw.TABLE.name) if week < context.week]
    found = []
    for week in earlier[-_RECENT_WEEKS:]:
        with suppress(LakeError):  # that week's own build names its damaged file
            found.append(captures.current_of(lake, week))
    return found


def _last_line_rejected(context: CheckContext, capture: Capture) -> bool:
    is_last = pl.col("source_line") == capture.lines_counted
    rejects = context.inputs.frames[rejects_table.TABLE.name]
    return not rejects.filter(is_last, pl.col("capture_id") == capture.capture_id).is_empty()


def _not_current(context: CheckContext) -> Iterator[Finding]:
    """Captures that arrived after the current one, and that nobody decided about since.

    Of captures of one arrival and one update date the hash of the content decides, which
    somebody must see as well.
    """
    for item in context.known.candidates:
        winner = context.known.current[item.key]
        later = item.captured_at > winner.captured_at
        tied = (item.captured_at, item.last_update_date) == (
            winner.captured_at,
            winner.last_update_date,
        )
        if item != winner and (later or tied) and not context.known.is_decided(item):
            detail = (
                f"its latest update is {item.last_update_date}, the current capture "
                f"{winner.capture_id} has {winner.last_update_date} and stays; to choose the "
                f"new one: spine captures use {item.capture_id}; to keep the current one and "
                f"this warning off: spine captures use {winner.capture_id}"
            )
            yield _finding("capture_not_current", item.source_file, detail)


def _waiting(context: CheckContext) -> Iterator[Finding]:
    """Captures that are not full enough to be current, and that nobody decided about since."""
    for item in context.known.captures:
        state, why = context.known.state(item)
        if state is CaptureState.WAITING and not context.known.is_decided(item):
            detail = (
                f"{why}; to choose it in spite of that: spine captures use {item.capture_id}; to "
                f"take it out: spine captures retract {item.capture_id}"
            )
            yield _finding("capture_waiting", item.source_file, detail)


def _in_doubt(context: CheckContext) -> Iterator[Finding]:
    """Current captures half of whose rows speak for another week than their path."""
    for item in context.known.current.values():
        if item.alternative_week and not context.known.is_decided(item):
            detail = (
                f"its path says {item.week_ending}, but half of its rows or more were "
                f"updated on the publication day of week ending {item.alternative_week}; compare "
                f"it with the source. If it is right: spine captures use {item.capture_id}"
            )
            yield _finding("week_in_doubt", item.source_file, detail)


def _repeated(context: CheckContext) -> Iterator[Finding]:
    """Current captures whose figures stand in another week too."""
    others = context.other_weeks
    for item in context.known.current.values():
        if context.known.is_decided(item):
            continue
        with suppress(LakeError):  # that week's own build names its damaged file
            repeated = repeated_elsewhere(item, others.lake, others.known_files, others.of_run)
            if repeated is not None:
                file, found = repeated
                detail = (
                    f"{found.same:,} of its {found.keys:,} figures are also in {file.name} of "
                    f"week ending {file.week_ending}: one of the two is in the wrong week. "
                    "`spine captures retract` takes a capture out; if this one is right: "
                    f"spine captures use {item.capture_id}"
                )
                yield _finding("figures_of_another_week", item.source_file, detail)


def _in_other_weeks(context: CheckContext) -> Iterator[Finding]:
    """One content can hardly be two weeks, however firmly two paths say so."""
    for name, other in sorted(context.inputs.in_other_weeks.items()):
        detail = f"the same content is also delivered as {other}; "
        detail += "one of the two is in the wrong place"
        yield _finding("content_of_two_weeks", name, detail)
