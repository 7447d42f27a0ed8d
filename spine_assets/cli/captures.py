"""Commands about captures: what arrived, which are current, corrections, and past states."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import click

from spine_assets.cli import completion_values
from spine_assets.cli.errors import note_synthetic, open_lake, reports_errors, with_json
from spine_assets.cli.nothing_found import nothing_captured
from spine_assets.cli.render import captures as render_captures
from spine_assets.cli.render.console import row_limit
from spine_assets.cli.shared import (
    COUNT,
    DayType,
    NameChoice,
    TimeType,
    WeekType,
    print_json,
    print_rows,
)
from spine_assets.otc.build import corrections
from spine_assets.otc.captures import pins
from spine_assets.otc.captures import storage as stored
from spine_assets.otc.captures.pins import PinAction
from spine_assets.otc.captures.steps import between
from spine_assets.otc.captures.steps import steps as steps_of
from spine_assets.otc.past.as_of import table_as_of, table_now
from spine_assets.otc.status import arrivals
from spine_assets.otc.tables import raw
from spine_assets.otc.tables.registry import TABLES

_FORMATS = ("csv", "json", "parquet", "xlsx")


@click.group(invoke_without_command=True)
@click.option("--week", type=WeekType(), help="Only this week.")
@click.option("--all", "every", is_flag=True, help="List all, also on a terminal; default: 40.")
@with_json
@click.pass_context
def captures(context: click.Context, week: date | None, every: bool, as_json: bool) -> None:
    """List what arrived when, and which captures are current.

    A capture is current, older, waiting, pinned or retracted.
    """
    if context.invoked_subcommand is not None:
        return
    lake = open_lake()
    weeks = [week] if week else lake.weeks(raw.TABLE.name)
    found = [row for one in weeks for row in arrivals(lake, one)]
    if as_json:
        print_json(found)
    elif found:
        render_captures.captures(found, row_limit(every))
    if not found:
        click.echo(nothing_captured(lake, week), err=True)


@captures.command("use")
@click.argument("capture_id", shell_complete=completion_values.capture_ids)
@click.option(
    "--release", is_flag=True, help="Remove the pin: the latest capture becomes current again."
)
@with_json
def captures_use(capture_id: str, release: bool, as_json: bool) -> None:
    r"""Pin CAPTURE_ID: it stays current, whatever arrives later.

    \b
    spine captures use 20260120T120000Z-0123456789ab

    It is pinned for its week, tier and class.
    """
    action = PinAction.RELEASE if release else PinAction.PIN
    _decide(capture_id, action, "released" if release else "pinned", as_json)


@captures.command("retract")
@click.argument("capture_id", shell_complete=completion_values.capture_ids)
@with_json
def captures_retract(capture_id: str, as_json: bool) -> None:
    r"""Take CAPTURE_ID out: never current again, unless pinned later.

    Nothing is deleted: its rows stay in the lake and in every answer as of an earlier time.

    \b
    spine captures retract 20260120T120000Z-0123456789ab
    """
    _decide(capture_id, PinAction.RETRACT, "retracted", as_json)


def _decide(capture_id: str, action: PinAction, done: str, as_json: bool) -> None:
    """Record what a person decided about a capture, and print the command that applies it."""
    lake = open_lake()
    found = stored.find(lake, capture_id)
    if not found:
        raise click.ClickException(f"there is no capture {capture_id}; `spine captures` lists them")
    chosen = pins.RELEASED if action is PinAction.RELEASE else capture_id
    changed = []
    for item in found:
        pins.add(lake, item.week_ending, item.key, chosen, datetime.now(UTC), action)
        build = (
            "dagster asset materialize -m spine_assets.definitions --select 'group:otc' "
            f"--partition {item.week_ending}"
        )
        changed.append(render_captures.pin_json(item, done, build))
        if not as_json:
            key = f"{item.week_ending} {item.tier} {item.venue_class}"
            click.echo(f"{done} for {key}; build the week:\n{build}")
    if as_json:
        print_json(changed)


@click.command()
@click.argument("week", type=WeekType())
@click.option(
    "--since",
    type=TimeType(),
    help="Compare the captures that were current at this TIME with today's.",
)
@click.option("--limit", type=COUNT, default=10, show_default=True, help="Rows listed per step.")
@with_json
def diff(week: date, since: datetime | None, limit: int, as_json: bool) -> None:
    """Show what each correction of WEEK changed: rows and shares.

    A correction is a capture that became current in place of another, by a later update or by a
    pin. With --json all rows are listed.
    """
    lake = open_lake()
    known = stored.stored(lake, week)
    if not known:
        raise click.ClickException(nothing_captured(lake, week))
    if since is None:
        steps = steps_of(known, pins.stored(lake, week))
    else:
        then, now = stored.current_of(lake, week, since), stored.current_of(lake, week)
        steps = between(then, now, datetime.now(UTC).replace(tzinfo=None))
    found = [corrections.correction(lake, week, step) for step in steps]
    if as_json:
        print_json([render_captures.correction_json(item) for item in found])
    else:
        render_captures.corrections(week, found, limit, since)


@click.command()
@click.option(
    "--table",
    type=NameChoice([table.name for table in TABLES]),
    required=True,
    help="Table to export.",
)
@click.option("--week", "weeks", type=WeekType(), multiple=True, required=True, help="Repeatable.")
@click.option(
    "--as-of",
    "moment",
    type=TimeType(),
    help="As our captures had it at this TIME (ISO 8601; UTC without a zone). Default: now.",
)
@click.option(
    "--published",
    "day",
    type=DayType(),
    help="As FINRA had published it at the end of this DAY, by FINRA's dates.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; default: standard output.",
)
@click.option(
    "--format",
    "kind",
    type=NameChoice(_FORMATS),
    help="Default: by the suffix of --out, else csv.",
)
@click.option("--xlsx", "kind", flag_value="xlsx", help="As --format xlsx: an Excel workbook.")
@click.option("--json", "as_json", is_flag=True, help="Describe the file that --out wrote as JSON.")
@reports_errors
def export(
    table: str,
    weeks: tuple[date, ...],
    moment: datetime | None,
    day: date | None,
    out: Path | None,
    kind: str | None,
    as_json: bool,
) -> None:
    r"""Write weeks of a table, as of now or of an earlier time.

    \b
    spine export --table otc_venue_share --week 2025-11-21 --as-of 2026-01-20T12:00Z
    spine export --table otc_venue_volume --week 2025-10-17 --published 2025-11-05

    Of otc_raw, the rows of the captures that are (or were) current are written. With --published,
    rows of otc_venue_volume have is_known: false if no capture holds what was public then.

    Excel keeps 15 digits of a number; how many numbers it rounds is printed.
    """
    kind = kind or (out.suffix.removeprefix(".") if out else "csv")
    if kind not in _FORMATS:
        raise click.UsageError(f"{out} has no known suffix; give --format {', '.join(_FORMATS)}")
    if as_json and out is None:
        raise click.UsageError(
            "--json describes what --out FILE wrote; for rows as JSON give --format json"
        )
    if kind in ("parquet", "xlsx") and out is None:
        raise click.UsageError(f"{kind} is binary; give a file with --out")
    if moment is not None and day is not None:
        raise click.UsageError("--as-of uses our clock and --published FINRA's; give one of them")
    lake = open_lake()
    synthetic = note_synthetic(lake, quiet=as_json)
    if day is not None:
        facts, frames = render_captures.as_published(lake, table, sorted(set(weeks)), day)
        if not as_json:
            render_captures.published(facts)
    else:
        facts = {"as_of": moment and moment.isoformat()}
        frames = [
            table_now(lake, table, week)
            if moment is None
            else table_as_of(lake, table, week, moment)
            for week in sorted(set(weeks))
        ]
    if out is None:
        print_rows(render_captures.as_text(frames, kind))
        return
    rows, rounded = render_captures.write(frames, kind, table, out)
    if kind == "xlsx":
        facts["rounded"] = rounded
    if as_json:
        done = {
            "file": str(out),
            "format": kind,
            "table": table,
            "rows": rows,
            "synthetic": synthetic,
        }
        print_json(done | {"weeks": sorted(map(str, set(weeks)))} | facts, None)
        return
    render_captures.written(rows, table, out, rounded)
