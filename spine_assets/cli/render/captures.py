"""How captures, corrections and exports are printed and written."""

from __future__ import annotations

import io
import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import polars as pl

from spine_assets.cli.render.console import CONSOLE, grid, result, safe, text
from spine_assets.cli.render.workbook import write_workbook
from spine_assets.core.values import csv_text, plain, records
from spine_assets.lake import atomic_write
from spine_assets.lake.base import Lake
from spine_assets.otc.captures.current import CaptureState
from spine_assets.otc.captures.model import Capture
from spine_assets.otc.captures.steps import Correction, RowChange
from spine_assets.otc.past.as_published import TABLES, PublishedPart, table_as_published

_STYLES = {
    CaptureState.CURRENT: "green",
    CaptureState.PINNED: "green",
    CaptureState.WAITING: "yellow",
    CaptureState.RETRACTED: "red",
}


def captures(found: list[dict[str, Any]], most: int | None) -> None:
    """Print what arrived when, and which captures are current; of the newest weeks, at `most`."""
    table = grid("week ending", "tier and class", "capture", "rows", "updated", "state", "file")
    table.columns[3].justify = "right"
    shown = found[-most:] if most else found
    for row in shown:
        style = _STYLES.get(row["state"], "dim")
        table.add_row(
            row["week_ending"],
            f"{row['tier']} {row['venue_class']}",
            row["capture_id"],
            text(row["rows"]),
            row["last_update_date"],
            f"[{style}]{row['state']}[/]: {safe(row['why'])}",
            f"[dim]{safe(row['source_file'])}[/]",
        )
    CONSOLE.print(table)
    if len(shown) < len(found):
        CONSOLE.print(
            f"{len(shown)} of {len(found):,} captures, those of the newest weeks: --all lists all, "
            "--week those of one week",
            highlight=False,
        )


def pin_json(item: Capture, done: str, build: str) -> dict[str, str]:
    """A pin or its release for programs; `build` is the command that applies it."""
    return {
        "week_ending": str(item.week_ending),
        "tier": item.tier.value,
        "venue_class": item.venue_class.value,
        "capture_id": item.capture_id,
        "done": done,
        "build": build,
    }


def corrections(week: date, found: list[Correction], limit: int, since: datetime | None) -> None:
    """Print what each step changed: totals, then the rows that changed most."""
    if not found:
        period = f" since {since:%Y-%m-%d %H:%M:%S %Z}" if since else ""
        CONSOLE.print(f"Week ending {week}: no capture has replaced another{period}.")
        return
    for item in found:
        _one(week, item, limit)


def _one(week: date, item: Correction, limit: int) -> None:
    step = item.step
    tier, venue_class = step.key
    CONSOLE.print(f"\n[bold]Week ending {week}, {tier} {venue_class}[/bold]")
    for label, capture in (("before", step.before), ("after", step.after)):
        CONSOLE.print(f"  {label:7}{_capture(capture)}", soft_wrap=True)
    totals = grid("", "before", "after", "change")
    for column in totals.columns[1:]:
        column.justify = "right"
    for label, before, after in (
        ("rows", item.rows_before, item.rows_after),
        ("shares", item.shares_before, item.shares_after),
        ("rejected lines", item.rejects_before, item.rejects_after),
    ):
        totals.add_row(label, text(before), text(after), _signed(after - before))
    CONSOLE.print(totals)
    CONSOLE.print(", ".join(f"{text(item.counts[kind])} {kind}" for kind in RowChange) + " rows")
    listed = item.rows.filter(pl.col("kind") != RowChange.RELABELLED.value)
    if listed.height and step.before is not None:  # of a first arrival every row is new
        shown = listed.head(limit)
        names = [name.replace("_", " ") for name in shown.columns]
        result(names, shown.rows(), f"Largest changes ({shown.height} of {listed.height})")


def _capture(capture: Capture | None) -> str:
    if capture is None:
        return "nothing"
    return (
        f"{capture.capture_id}, updated {capture.last_update_date}, captured "
        f"{capture.captured_at:%Y-%m-%d %H:%M:%S} UTC: {safe(capture.source_file)}"
    )


def _signed(change: int | Decimal) -> str:
    return f"+{text(change)}" if change > 0 else text(change)


def correction_json(item: Correction) -> dict[str, Any]:
    """A step for programs, with all rows that differ."""
    step = item.step
    return {
        "week_ending": str((step.after or step.before).week_ending),  # type: ignore[union-attr]
        "tier": step.key[0].value,
        "venue_class": step.key[1].value,
        "at": f"{step.at.isoformat()}Z",
        "capture_from": step.before.capture_id if step.before else None,
        "capture_to": step.after.capture_id if step.after else None,
        **{f"rows_{kind.value}": item.counts[kind] for kind in RowChange},
        "rows_before": item.rows_before,
        "rows_after": item.rows_after,
        "shares_before": plain(item.shares_before),
        "shares_after": plain(item.shares_after),
        "rejects_before": item.rejects_before,
        "rejects_after": item.rejects_after,
        "rows": records(item.rows.columns, item.rows.rows()),
    }


def as_text(frames: list[pl.DataFrame], kind: str) -> str:
    """Tables as CSV or JSON text."""
    rows = pl.concat(frames)
    if kind == "json":
        return json.dumps(records(rows.columns, rows.rows()), indent=1) + "\n"
    return csv_text(rows.columns, rows.rows())


def write(
    frames: list[pl.DataFrame], kind: str, name: str, out: Path
) -> tuple[int, dict[str, int]]:
    """Write tables to a file, in one step; the number of rows, and what Excel rounds by column."""
    rows = pl.concat(frames)
    if kind == "xlsx":
        return rows.height, write_workbook(rows, name, out)
    if kind == "parquet":
        buffer = io.BytesIO()
        rows.write_parquet(buffer)
        content = buffer.getvalue()
    else:
        content = as_text(frames, kind).encode()
    atomic_write.write(out, content)
    return rows.height, {}


def written(rows: int, table: str, out: Path, rounded: dict[str, int]) -> None:
    """Print what was written, on standard error."""
    click.echo(f"wrote {rows:,} rows of {table} to {out}", err=True)
    if rounded:
        listed = ", ".join(f"{count:,} of {name}" for name, count in rounded.items())
        click.echo(f"Excel rounds numbers of more than 15 digits: {listed}", err=True)


def as_published(
    lake: Lake, table: str, weeks: list[date], day: date
) -> tuple[dict[str, Any], list[pl.DataFrame]]:
    """What was public, for programs, and the rows of each week."""
    if table not in TABLES:
        raise click.UsageError(f"--published has {', '.join(TABLES)}, not {table}")
    answers = {week: table_as_published(lake, table, week, day) for week in weeks}
    parts = [part for answer in answers.values() for part in answer.parts]
    facts = {
        "published": str(day),
        "not_known_rows": sum(part.not_known_rows for part in parts),
        "parts": [_part_json(part) for part in parts],
    }
    return facts, [answer.rows for answer in answers.values()]


def _part_json(part: PublishedPart) -> dict[str, Any]:
    item = part.capture
    return {
        "week_ending": str(item.week_ending),
        "tier": item.tier.value,
        "venue_class": item.venue_class.value,
        "capture_id": item.capture_id,
        "last_update_date": str(item.last_update_date),
        "is_captured": part.is_captured,
        "rows": part.rows.height,
        "not_known_rows": part.not_known_rows,
        "not_public_rows": part.not_public_rows,
        "by_calendar": part.by_calendar,
    }


def published(facts: dict[str, Any]) -> None:
    """Report on standard error what is not known, and what the calendar decided."""
    for part in facts["parts"]:
        if part["is_captured"]:
            continue
        message = (
            f"{part['week_ending']} {part['tier']} {part['venue_class']}: from a capture with "
            f"updates until {part['last_update_date']}; {part['not_known_rows']:,} of "
            f"{part['rows']:,} rows are not known (is_known is false), "
            f"{part['not_public_rows']:,} more were published later"
        )
        if part["by_calendar"]:
            message += "; first publication is by FINRA's calendar, as the file does not state it"
        click.echo(message, err=True)
