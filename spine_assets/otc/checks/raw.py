"""Checks of `otc_raw`: is everything that was delivered accounted for?"""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from spine_assets.core.tables import EXACT, exact_total
from spine_assets.core.values import metadata_value
from spine_assets.otc.captures.model import Capture
from spine_assets.otc.captures.provenance import KEEP_APART
from spine_assets.otc.checks import context as checking
from spine_assets.otc.checks.context import CheckContext, sample
from spine_assets.otc.delivery.line_schema import NOTIONAL
from spine_assets.otc.delivery.provenance import Provenance
from spine_assets.otc.delivery.reasons import ADVICE, LINE_CHECKS, LineSeverity, RejectReason
from spine_assets.otc.state.results import CheckResult, Severity
from spine_assets.otc.tables import raw as raw_table
from spine_assets.otc.tables import rejects as rejects_table

_HEADER_LINES = 1
# FINRA's own noise: true to a millionth of a dollar, so it is counted and no warning.
_FLOATING_POINT = f"{RejectReason.TOO_PRECISE} {NOTIONAL}"
_NAMED_FILES = 3  # in a summary; the sample has the others
_MOST_REJECTS_PCT = 1.0  # above it the delivery itself is in doubt


def schema(context: CheckContext) -> CheckResult:
    """Validate the rows of the current captures, and of those that this run made."""
    current = context.known.current.values()
    waiting = [item for item in context.inputs.captured if item.capture not in current]
    rows = context.frame
    if waiting:  # in the order of captures, which is that of the table
        parts = [
            *rows.partition_by("capture_id"),
            *(item.rows for item in waiting if item.rows.height),
        ]
        rows = pl.concat(sorted(parts, key=lambda part: str(part["capture_id"][0])))
    return checking.validate(context, rows)


def conservation(context: CheckContext) -> CheckResult:
    """Lines = header + blank + rows + parse rejects + other parts; shares likewise, by capture."""
    accounts = [_account(capture) for capture in context.known.captures]
    accounts.sort(key=lambda row: str(row["source_file"]))
    wrong = [row for row in accounts if row["lines_missing"] or row["shares_missing"] != "0"]
    facts = {
        "captures": len(accounts),
        "lines": sum(row["lines"] for row in accounts),
        "rows": sum(row["rows"] for row in accounts),
        "parse_rejects": sum(row["parse_rejects"] for row in accounts),
    }
    summary = f"all {facts['lines']:,} lines of {len(accounts)} captures are accounted for"
    if wrong:
        summary = (
            f"{len(wrong)} of {len(accounts)} files do not add up; nothing was published. "
            "Keep the file and report it: the parser lost or invented a line."
        )
    samples = (wrong or accounts)[: checking.SAMPLE_ROWS]
    return context.result("conservation", not wrong, summary, facts=facts, samples=samples)


def _account(capture: Capture) -> dict[str, Any]:
    known = _HEADER_LINES + capture.blank_lines + capture.rows + capture.reject_lines
    known += capture.other_lines
    found = exact_total([capture.row_shares, capture.reject_shares])
    lost = EXACT.subtract(capture.file_shares, found)
    return {
        "source_file": capture.source_file,
        "lines": capture.lines_counted,
        "blank": capture.blank_lines,
        "rows": capture.rows,
        "parse_rejects": capture.reject_lines,
        "other_parts": capture.other_lines,
        "lines_missing": capture.lines_counted - known,
        "shares_missing": metadata_value(lost),
    }


def not_mixed(context: CheckContext) -> CheckResult:
    """No rows of FINRA beside synthetic ones, in the captures of the week and of the lake."""
    elsewhere = context.telling_capture
    every = (*context.known.every, *([elsewhere] if elsewhere else ()))
    files = {
        kind: [_named(item, context.week) for item in every if kind in item.provenance]
        for kind in Provenance
    }
    facts = {"synthetic": bool(files[Provenance.SYNTHETIC])}
    if not all(files.values()):
        summary = "all rows are FINRA's" if any(files.values()) else "no row has an issue name"
        if facts["synthetic"]:
            summary = "all rows are synthetic"
        return context.result("not_mixed", True, summary, facts=facts)
    return context.result(
        "not_mixed",
        False,
        f"rows of FINRA ({_some(files[Provenance.FINRA])}) and synthetic rows "
        f"({_some(files[Provenance.SYNTHETIC])}) do not go into one lake: {KEEP_APART}",
        facts=facts,
        samples=[
            {"provenance": str(kind), "file": name}
            for kind, names in files.items()
            for name in names
        ][: checking.SAMPLE_ROWS],
    )


def _named(item: Capture, week: date) -> str:
    """A file, with its week if that is another one."""
    of_week = "" if item.week_ending == week else f" of week {item.week_ending}"
    return f"{item.source_file}{of_week}"


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED_FILES
    return ", ".join(names[:_NAMED_FILES]) + (f" and {more} more" if more > 0 else "")


def rejects(context: CheckContext) -> CheckResult:
    """Counts by reason over the current captures."""
    rejected = context.inputs.frames[rejects_table.TABLE.name]
    current = context.known.current.values()
    lines = sum(capture.lines_counted - capture.other_lines for capture in current)
    part = 100 * rejected.height / lines if lines else 0.0
    counts = dict(rejected.group_by("reason").len().sort("reason").iter_rows())
    facts = {
        "rejects": rejected.height,
        "lines": lines,
        "rejects_pct": round(part, 4),
        "shares": metadata_value(rejected["share_volume"].sum()),
        **counts,
    }
    if not counts:
        return context.result("rejects", True, f"none of {lines:,} lines", facts=facts)
    advice = "; ".join(
        f"{reason} x{count}: {ADVICE[RejectReason(reason)]}" for reason, count in counts.items()
    )
    damaged = any(
        LINE_CHECKS[RejectReason(reason)].severity is LineSeverity.ERROR for reason in counts
    )
    shown = rejected.select("reason", "field", "detail", "source_file", "source_line", "raw_line")
    return context.result(
        "rejects",
        False,
        f"{rejected.height:,} of {lines:,} lines ({part:.2f}%) were rejected. {advice}",
        failure=Severity.ERROR if part > _MOST_REJECTS_PCT or damaged else Severity.WARN,
        facts=facts,
        samples=sample(shown),
    )


def notes(context: CheckContext) -> CheckResult:
    """What is not as delivered in the current captures' rows, by reason and field."""
    rows = context.inputs.frames[raw_table.TABLE.name]
    noted = rows.filter(pl.col("notes").is_not_null())
    each = noted.select(note=pl.col("notes").str.split("; ").explode())
    counts = dict(each.group_by("note").len().sort("note").iter_rows())
    odd = {note: count for note, count in counts.items() if note != _FLOATING_POINT}
    facts = {"lines": rows.height, "noted": noted.height, **counts}
    if not odd:
        rounded = f"; {counts[_FLOATING_POINT]:,} amounts are rounded" if counts else ""
        summary = f"{rows.height:,} lines as delivered{rounded}"
        return context.result("notes", True, summary, facts=facts)
    named = "; ".join(f"{note} x{count:,}" for note, count in odd.items())
    shown = noted.filter(pl.col("notes") != _FLOATING_POINT).select(
        "notes", "symbol", "venue_name", "share_volume", "source_file", "source_line"
    )
    return context.result(
        "notes",
        False,
        f"{shown.height:,} of {rows.height:,} lines are in the tables with a value left out, or a "
        f"name trimmed or put together: {named}",
        failure=Severity.WARN,
        facts=facts,
        samples=sample(shown),
    )
