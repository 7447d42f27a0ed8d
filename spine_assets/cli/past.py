"""Commands about captures: what arrived, what counts, what a correction changed, as of when."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import click

from spine_assets.cli import completing
from spine_assets.cli.shared import (
    COUNT,
    TABLE_NAMES,
    DayType,
    MomentType,
    NameChoice,
    WeekType,
    as_json_option,
    open_lake,
    told,
)

_FORMATS = ("csv", "json", "parquet")


@click.group(invoke_without_command=True)
@click.option("--week", type=WeekType(), help="Only this week.")
@as_json_option
@click.pass_context
@told
def captures(context: click.Context, week: date | None, as_json: bool) -> None:
    """What arrived when, and which capture of each tier and class counts and why."""
    from spine_assets.cli import render_past
    from spine_assets.status import arrivals

    if context.invoked_subcommand is not None:
        return
    lake = open_lake()
    found = [
        row for one in ([week] if week else lake.weeks("otc_raw")) for row in arrivals(lake, one)
    ]
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        render_past.captures(found)


@captures.command("use")
@click.argument("capture_id", shell_complete=completing.capture_ids)
@click.option("--release", is_flag=True, help="Take the pin back: the greatest counts again.")
@as_json_option
@told
def captures_use(capture_id: str, release: bool, as_json: bool) -> None:
    r"""Pin CAPTURE_ID: it counts for its week, tier and class, whatever arrives later.

    \b
    spine captures use 20260120T120000Z-0123456789ab
    """
    from spine_assets.cli import render_past
    from spine_assets.otc import captures as stored
    from spine_assets.otc import pins

    lake = open_lake()
    found = stored.find(lake, capture_id)
    if not found:
        raise click.ClickException(f"there is no capture {capture_id}; `spine captures` lists them")
    said = "released" if release else "pinned"
    done = []
    for item in found:
        chosen = pins.RELEASED if release else capture_id
        pins.add(lake, item.week_ending, item.key, chosen, datetime.now(UTC))
        build = (
            "dagster asset materialize -m spine_assets.definitions --select 'group:otc' "
            f"--partition {item.week_ending}"
        )
        done.append(render_past.pin_json(item, said, build))
        if not as_json:
            key = f"{item.week_ending} {item.tier} {item.venue_class}"
            click.echo(f"{said} for {key}; build the week:\n{build}")
    if as_json:
        click.echo(json.dumps(done, indent=1))


@click.command()
@click.argument("week", type=WeekType())
@click.option(
    "--since", type=MomentType(), help="Compare what counted at this TIME with what counts now."
)
@click.option("--limit", type=COUNT, default=10, show_default=True, help="Rows listed a step.")
@as_json_option
@told
def diff(week: date, since: datetime | None, limit: int, as_json: bool) -> None:
    """What corrections of WEEK changed: rows and shares before and after, step by step.

    A step is a capture that came to count in the place of another, by its later update or
    by a pin. With --json all rows are listed.
    """
    from spine_assets.cli import render_past
    from spine_assets.otc import captures as stored
    from spine_assets.otc import corrections, pins
    from spine_assets.otc.captures_steps import between, steps

    lake = open_lake()
    known = stored.stored(lake, week)
    if not known:
        raise click.ClickException(
            f"nothing of week {week} is captured; `spine captures` lists the weeks that are"
        )
    if since is None:
        found = steps(known, pins.stored(lake, week))
    else:
        counted, counts = stored.current_of(lake, week, since), stored.current_of(lake, week)
        found = between(counted, counts, datetime.now(UTC).replace(tzinfo=None))
    corrected = [corrections.correction(lake, week, step) for step in found]
    if as_json:
        click.echo(json.dumps([render_past.correction_json(item) for item in corrected], indent=1))
    else:
        render_past.corrections(week, corrected, limit, since)


@click.command()
@click.option("--table", type=NameChoice(TABLE_NAMES), required=True, help="Table to export.")
@click.option("--week", "weeks", type=WeekType(), multiple=True, required=True, help="Repeatable.")
@click.option(
    "--as-of",
    "moment",
    type=MomentType(),
    help="As it was known at this TIME (ISO 8601; UTC where no zone is given). Default: as it is.",
)
@click.option(
    "--published",
    "day",
    type=DayType(),
    help="As FINRA showed it at the end of this DAY, by its own dates, whenever it was captured.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Default: the screen.")
@click.option(
    "--format",
    "kind",
    type=NameChoice(_FORMATS),
    help="Default: by the ending of --out, else csv.",
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON what was written to --out.")
@told
def export(
    table: str,
    weeks: tuple[date, ...],
    moment: datetime | None,
    day: date | None,
    out: Path | None,
    kind: str | None,
    as_json: bool,
) -> None:
    r"""Write a table's weeks to a file or the screen, also as they were known or public then.

    \b
    spine export --table otc_venue_share --week 2025-11-21 --as-of 2026-01-20T12:00Z
    spine export --table otc_venue_volume --week 2025-10-17 --published 2025-11-05

    Of otc_raw the rows of the captures that count (or counted) are written. With --published
    the rows of otc_venue_volume have is_known: false where no capture has what was public then.
    """
    from spine_assets.cli import render_past, render_published
    from spine_assets.otc.as_of import table_as_of, table_now

    kind = kind or (out.suffix.removeprefix(".") if out else "csv")
    if kind not in _FORMATS:
        raise click.UsageError(f"{out} has no known ending; choose --format {', '.join(_FORMATS)}")
    if as_json and out is None:
        raise click.UsageError(
            "--json tells what was written to --out FILE; for rows as JSON give --format json"
        )
    if kind == "parquet" and out is None:
        raise click.UsageError("parquet is no text; name a file with --out")
    if moment is not None and day is not None:
        raise click.UsageError("--as-of is our clock and --published FINRA's; give one of them")
    lake = open_lake()
    if day is not None:
        told_of, frames = render_published.found(lake, table, sorted(set(weeks)), day)
        if not as_json:
            render_published.told(told_of)
    else:
        told_of = {"as_of": moment and moment.isoformat()}
        frames = [
            table_now(lake, table, week)
            if moment is None
            else table_as_of(lake, table, week, moment)
            for week in sorted(set(weeks))
        ]
    if out is None:
        click.echo(render_past.as_text(frames, kind), nl=False, color=True)  # nothing is stripped
        return
    rows = render_past.write(frames, kind, out)
    if as_json:
        done = {"file": str(out), "format": kind, "table": table, "rows": rows}
        click.echo(json.dumps(done | {"weeks": sorted(map(str, set(weeks)))} | told_of))
        return
    click.echo(f"wrote {rows:,} rows of {table} to {out}", err=True)
