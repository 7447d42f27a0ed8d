"""The commands that answer a question about the data: `symbol`, `venue`, `market`, `movers`.

Belongs here: their options. Does not belong here: what is asked (`questions`), how an answer is
printed, written and drawn (`render.answers`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from spine_assets.cli.errors import note_synthetic, open_lake, with_json
from spine_assets.cli.render import answers
from spine_assets.cli.render.console import progress_of
from spine_assets.cli.shared import DayType, TimeType, WeekType
from spine_assets.questions import declared
from spine_assets.questions.otc import WEEKS, Otc, open_data

_FILE = click.Path(path_type=Path, dir_okay=False)
_OUTPUTS = (
    click.option("--csv", "as_csv", is_flag=True, help="Print all columns as CSV."),
    click.option("--parquet", type=_FILE, metavar="FILE", help="Write all columns to FILE."),
    click.option("--xlsx", type=_FILE, metavar="FILE", help="Write an Excel workbook."),
    click.option("--chart", type=_FILE, metavar="FILE", help="Draw a .svg, .png or .html FILE."),
)
_MOMENTS = (
    click.option(
        "--as-of",
        "moment",
        type=TimeType(),
        help="As our captures had it at this TIME (ISO 8601; UTC without a zone).",
    ),
    click.option(
        "--published", "day", type=DayType(), help="As FINRA had published it by this DAY."
    ),
)
_RANGE = (
    click.option(
        "--weeks", type=click.IntRange(min=1), default=WEEKS, show_default=True, help="How many."
    ),
    click.option("--since", type=WeekType(), help="First week, in place of --weeks."),
    click.option("--until", type=WeekType(), help="Last week; default: the newest loaded."),
)
_TOP = click.option(
    "--top", type=click.IntRange(min=1), help="So many rows; default: 20 in a table, else all."
)
_WEEK = click.option(
    "--week", type=WeekType(), help="Default: the newest complete week, else the newest."
)
Command = Callable[..., None]


def _with(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Add options to a command, in this order."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@click.command()
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@click.option("--venues", "by_venue", is_flag=True, help="Who traded it in one week (--week).")
@click.option("--measure", metavar="COLUMN", help="One figure of the symbols side by side.")
@_with(*_RANGE, _WEEK, _TOP, *_MOMENTS, *_OUTPUTS)
@with_json
def symbol(symbols: tuple[str, ...], by_venue: bool, measure: str | None, **given: Any) -> None:
    r"""Show how much of a SYMBOL traded by week, or who traded it.

    \b
    spine symbol PMCY
    spine symbol PMCY PQ --since 2025-10-03 --chart two.svg
    spine symbol PMCY --venues --week 2025-11-21
    spine symbol PMCY PQ --measure avg_trade_size

    Figures are of off-exchange trading, over all tiers and classes that are loaded. A change is
    shown if both weeks have the same of them.
    """
    _require_goes_together(of_week=by_venue, option="--venues")
    if by_venue and measure:
        raise click.UsageError("--measure is of several weeks; leave out --venues")
    otc = _opened(given)
    if measure:
        frame = otc.compare(*symbols, measure=measure, **_range(given))
        if given["chart"]:
            answers.draw(declared.SYMBOL, otc.symbol(*symbols, **_range(given)), given, measure)
        answers.show_side_by_side(frame, measure, given)
    elif not by_venue:
        answers.show(declared.SYMBOL, otc.symbol(*symbols, **_range(given)), given)
    elif len(symbols) > 1:
        raise click.UsageError("--venues is of one SYMBOL")
    else:
        frame = otc.symbol_venues(*symbols, week=_week(otc, given))
        answers.show(declared.SYMBOL_VENUES, frame, given)


@click.command()
@click.argument("venues", nargs=-1, metavar="[VENUE]...")
@click.option("--symbols", "by_symbol", is_flag=True, help="What it traded in one week (--week).")
@_with(*_RANGE, _WEEK, _TOP, *_MOMENTS, *_OUTPUTS)
@with_json
def venue(venues: tuple[str, ...], by_symbol: bool, **given: Any) -> None:
    r"""Show volume, share and rank of VENUEs, or what one traded.

    \b
    spine venue
    spine venue UBSA
    spine venue "ubs ats" --symbols --week 2025-11-21

    A VENUE is an MPID, a CRD number, or a part of a name that only one venue has; without one, all
    venues of one week (--week) are shown. Shares are of reported off-exchange volume, not of all
    trading.
    """
    _require_goes_together(of_week=by_symbol or not venues, option="--symbols")
    otc = _opened(given)
    if not venues:
        answers.show(declared.VENUES, otc.venues(_week(otc, given)), given)
    elif not by_symbol:
        answers.show(declared.VENUE, otc.venue(*venues, **_range(given)), given)
    elif len(venues) > 1:
        raise click.UsageError("--symbols is of one VENUE")
    else:
        frame = otc.venue_symbols(*venues, week=_week(otc, given))
        answers.show(declared.VENUE_SYMBOLS, frame, given)


@click.command()
@_with(*_RANGE, *_MOMENTS, *_OUTPUTS)
@with_json
def market(**given: Any) -> None:
    r"""Show volume, ATS part and concentration by week.

    \b
    spine market
    spine market --since 2025-10-31 --json
    """
    answers.show(declared.MARKET, _opened(given).market(**_range(given)), given)


@click.command()
@_with(_WEEK, _TOP, *_MOMENTS, *_OUTPUTS)
@with_json
def movers(**given: Any) -> None:
    r"""Show which symbols changed most since the week before.

    \b
    spine movers
    spine movers --week 2025-11-21 --top 50 --csv

    A symbol is compared over all its tiers. New symbols (no row in the prior week) and those that
    are gone have no rank; they come last, and a line below the table names the largest.
    """
    otc = _opened(given)
    answers.show(declared.MOVERS, otc.movers(_week(otc, given)), given)


def _require_goes_together(*, of_week: bool, option: str) -> None:
    """Refuse an option that would be ignored: those of one week, or those of a range."""
    typed = click.get_current_context()
    for name in ("weeks", "since", "until") if of_week else ("week", "top"):
        if typed.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(
                f"--{name} is for a range of weeks, and this is one: --week"
                if of_week
                else f"--{name} goes with {option}; weeks are --since and --until"
            )


def _opened(given: dict[str, Any]) -> Otc:
    """The data of the project here, now or as of a moment."""
    moment: datetime | None = given["moment"]
    day: date | None = given["day"]
    if moment is not None and day is not None:
        raise click.UsageError("--as-of uses our clock and --published FINRA's; give one of them")
    given["synthetic"] = note_synthetic(open_lake(), quiet=given["as_json"])
    otc = open_data(as_of=moment, published=day)
    if moment is not None or day is not None:
        bar = click.get_current_context().with_resource(progress_of("building weeks"))
        otc.on_progress(bar)
    return otc


def _week(otc: Otc, given: dict[str, Any]) -> date:
    """The week of the question; one that lacks a tier is noted."""
    week: date = given["week"] or otc.usual_week()
    if week in otc.weeks() and not otc.is_complete(week):
        click.echo(
            f"Week {week} is not complete: figures cover the tiers that are loaded; "
            "spine status shows which are not.",
            err=True,
        )
    return week


def _range(given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in ("weeks", "since", "until")}
