"""Chooses what a week is made from: its stored captures and pins, and what arrived since."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date

from spine_assets.lake.base import Lake
from spine_assets.otc.build.require_upstream import build_command
from spine_assets.otc.captures import intake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.reading import read_again
from spine_assets.otc.captures.week_evidence import WeekEvidence
from spine_assets.otc.delivery.deliveries import Unusable
from spine_assets.otc.state.build_context import RunContext, WeekInputs
from spine_assets.otc.state.frames import WeekFrames
from spine_assets.otc.state.freshness import RULE_PART
from spine_assets.otc.state.results import BuildFailed, NoInput
from spine_assets.otc.tables import raw, rejects


def choose_captures(
    week: date,
    wanted: Collection[str],
    run: RunContext,
    unusable: Sequence[Unusable],
    *,
    capture: bool,
) -> WeekInputs:
    """Read the captures of a week and parse what is delivered for it; nothing is written.

    Captures that are outdated are read again from their contents (`captures.reading`).

    Args:
        week: Week ending.
        wanted: Tables that are built or checked, for the command that an error names.
        run: The lake, the deliveries and the clock.
        unusable: Files that the week should name; those refused now are added.
        capture: New deliveries become captures; else there may be none, nor an outdated capture.

    Raises:
        NoInput: the week has neither a usable file nor a capture; it names the refused ones.
        BuildFailed: there are new deliveries or outdated captures, and nothing is to be captured.
        LakeError: a stored capture is damaged.
    """
    _verify(run.lake, week)
    before = captures.known_of(run.lake, week)
    stored = before.captures
    delivered = run.landing.of_week(week)
    again = read_again(run.lake, week, stored, delivered, run.today)
    evidence = WeekEvidence(run.lake, run.landing, run.known_files, run.today)
    new = intake.uncaptured(delivered, stored)
    taken = intake.take(new, before, run.lake, run.now(), evidence)
    captured = (*again.captured, *taken.captured)
    if captured and not capture:
        names = ", ".join(item.capture.source_file for item in captured)
        raise BuildFailed(
            f"{week}: otc_raw is older than its files ({names}) or its rules; "
            f"run {build_command(week, {raw.TABLE.name, *wanted})}"
        )
    read = {item.capture.capture_id: item.capture for item in again.captured}
    all_captures = [
        *(read.get(item.capture_id, item) for item in stored),
        *(item.capture for item in taken.captured),
    ]
    known = replace(before, captures=tuple(all_captures))
    named = (*unusable, *again.refused, *taken.refused)
    # A week of which every capture is retracted has tables without rows.
    if not known.captures:
        lines = [f"{week}: no usable file for this week in the landing folder"]
        refused = tuple(named or run.landing.unusable)
        lines += [f"  unusable: {item.name}: {item.reason}" for item in refused]
        raise NoInput("\n".join(lines), refused)
    return WeekInputs(
        week,
        known,
        WeekFrames(run.lake, week, known, captured),
        captured,
        named,
        intake.same_content(delivered, all_captures),
        run.landing.in_other_weeks(week),
    )


def _verify(lake: Lake, week: date) -> None:
    """Make sure that the files of all captures hold the bytes that were written."""
    for table in (raw.TABLE, rejects.TABLE):
        for path in lake.files(table.name, week):
            if path.name != RULE_PART:
                lake.verify(path)
