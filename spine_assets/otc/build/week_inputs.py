"""Chooses what a week is made from: its stored captures and pins, and what arrived since."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date

from spine_assets.core.text import MOST_NAMED, named
from spine_assets.lake.base import Lake
from spine_assets.lake.format import declare
from spine_assets.otc.build.require_upstream import build_command
from spine_assets.otc.captures import intake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.current import WeekCaptures
from spine_assets.otc.captures.model import Capture, CapturedFrames, moment_after
from spine_assets.otc.captures.reading import read_again
from spine_assets.otc.captures.week_evidence import WeekEvidence, is_proposed
from spine_assets.otc.delivery.deliveries import Delivery, Unusable
from spine_assets.otc.delivery.placement import Grain
from spine_assets.otc.state.build_context import RunContext, WeekInputs
from spine_assets.otc.state.frames import WeekFrames
from spine_assets.otc.state.freshness import RULE_PART
from spine_assets.otc.state.results import BuildFailed, NoInput
from spine_assets.otc.tables import raw, rejects
from spine_assets.otc.tables.registry import TABLES, grains_of


def choose_captures(
    week: date,
    wanted: Collection[str],
    run: RunContext,
    *,
    capture: bool,
) -> WeekInputs:
    """Read the captures of a week and parse what is delivered for it; nothing is written.

    Captures that are outdated are read again from their contents (`captures.reading`).

    Args:
        week: Week ending.
        wanted: Tables that are built or checked, for the command that an error names.
        run: The lake, the deliveries and the clock.
        capture: New deliveries become captures; else there may be none, nor an outdated capture.

    Raises:
        NoInput: the week has neither a usable file nor a capture. The message also names the
            unusable files that claim no week: one of them may be of this one.
        BuildFailed: there are new deliveries or outdated captures, and nothing is to be captured.
        LakeError: a stored capture is damaged.
    """
    _verify(run.lake, week)
    before = captures.known_of(run.lake, week)
    delivered = run.landing.of_week(week)
    rows = _of_grain(before, week, Grain.VENUES, delivered, run)
    totals = _of_grain(before, week, Grain.TOTALS, run.landing.totals_of_week(week), run)
    if not capture and not any(Grain.TOTALS in grains_of(name) for name in wanted):
        totals = _Captures(before.totals)
    if (rows.captured or totals.captured) and not capture:
        made = (*rows.captured, *totals.captured)
        names = named([item.capture.source_file for item in made])
        raise BuildFailed(
            f"{week}: otc_raw is older than its files ({names}) or its rules; "
            f"run {build_command(week, {raw.TABLE.name, *wanted})}"
        )
    known = replace(before, captures=rows.known, totals=totals.known)
    refused = (*run.landing.refused_of_week(week), *rows.refused, *totals.refused)
    # A week of which every capture is retracted has tables without rows.
    if not known.captures:
        lines = [f"{week}: no usable file for this week in the landing folder"]
        if waiting := run.landing.totals_of_week(week):
            names = named([item.name for item in waiting])
            lines.append(f"  control totals wait for the rows that they are of: {names}")
        lines += _listed(refused)
        of_none = [item for item in run.landing.refused() if item.week_ending is None]
        if of_none:
            lines.append("  files that claim no week, and may be of this one:")
        lines += _listed(of_none)
        raise NoInput("\n".join(lines), refused)
    if not known.current:
        declare(run.lake, TABLES, raw.TABLE.name)  # its file without rows stands for the captures
    return WeekInputs(
        week,
        known,
        WeekFrames(run.lake, week, known, (*rows.captured, *totals.captured)),
        rows.captured,
        refused,
        intake.same_content(delivered, [*rows.known]),
        run.landing.in_other_weeks(week),
        totals.captured,
    )


def _listed(refused: Sequence[Unusable]) -> list[str]:
    """A line for each of the first files that are not used, and one for the others."""
    lines = [f"  unusable: {item.text}" for item in refused[:MOST_NAMED]]
    more = len(refused) - len(lines)
    return [*lines, f"  and {more:,} more"] if more else lines


@dataclass(frozen=True)
class _Captures:
    """Captures of a week and grain that are known now.

    `captured` are those that were made or read again now; `refused` names what could not be.
    """

    known: tuple[Capture, ...]
    captured: tuple[CapturedFrames, ...] = ()
    refused: tuple[Unusable, ...] = ()


def _of_grain(
    before: WeekCaptures, week: date, grain: Grain, delivered: list[Delivery], run: RunContext
) -> _Captures:
    stored = before.totals if grain is Grain.TOTALS else before.captures
    again = read_again(run.lake, week, stored, delivered, run.today)
    new = intake.uncaptured(delivered, stored)
    now = run.now()
    if new:
        now = moment_after((item.captured_at for item in stored), now)
    if grain is Grain.TOTALS:
        taken = intake.take_totals(new, now)
    else:
        if any(is_proposed(item) for item in new):
            run.order.wait_for_weeks_before(week, run.given_up)
        evidence = WeekEvidence(run.lake, run.landing, run.known_files, run.today)
        taken = intake.take(new, before, run.lake, now, evidence)
    read = {item.capture.capture_id: item.capture for item in again.captured}
    return _Captures(
        (
            *(read.get(item.capture_id, item) for item in stored),
            *(item.capture for item in taken.captured),
        ),
        (*again.captured, *taken.captured),
        (*again.refused, *taken.refused),
    )


def _verify(lake: Lake, week: date) -> None:
    """Make sure that the files of all captures hold the bytes that were written."""
    for folder in (*captures.FOLDERS.values(), rejects.TABLE.name):
        for path in lake.files(folder, week):
            if path.name != RULE_PART:
                lake.verify(path)
