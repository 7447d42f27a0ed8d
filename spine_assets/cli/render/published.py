"""What `spine export --published` reports beside the rows."""

from __future__ import annotations

from datetime import date
from typing import Any

import click
import polars as pl

from spine_assets.lake.base import Lake
from spine_assets.otc.past.as_published import TABLES, PublishedPart, table_as_published


def found(
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
        "parts": [_json(part) for part in parts],
    }
    return facts, [answer.rows for answer in answers.values()]


def _json(part: PublishedPart) -> dict[str, Any]:
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


def report(facts: dict[str, Any]) -> None:
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
