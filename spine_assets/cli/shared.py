"""What commands share: types of arguments, options that several have, printing JSON.

`spine doctor` imports this module also where the rest of the package cannot be imported, so it
imports nothing heavy. Does not belong here: errors and opening the lake (`errors`).
"""

from __future__ import annotations

import codecs
import json
import os
import sys
from datetime import UTC, date, datetime
from typing import Any

import click
from click.shell_completion import CompletionItem

from spine_assets.core.settings import Settings, load_settings
from spine_assets.core.tags import Lane
from spine_assets.core.text import escaped, nearest
from spine_assets.core.weeks import WeekError, parse_week, week_ending_of

DEFAULT_WEEKS = 12  # about a quarter, which fits a screen
COUNT = click.IntRange(min=1)
LANE = click.Choice([lane.value for lane in Lane])
max_runtime_option = click.option(
    "--max-runtime",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="Cancel a run that takes longer; default: the limit in dagster.yaml.",
)
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


class WeekType(click.ParamType[date]):
    """A week, given by its Friday."""

    name = "week"

    def convert(self, value: Any, param: Any, ctx: Any) -> date:
        """Parse a Friday; the error for another day names the nearest Friday."""
        try:
            return value if isinstance(value, date) else parse_week(value)
        except WeekError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the weeks that are captured."""
        from spine_assets.cli import completion_values  # noqa: PLC0415 - heavy; only a shell needs it

        return [CompletionItem(text) for text in completion_values.weeks(ctx, param, incomplete)]


class NameChoice(click.Choice[str]):
    """A choice whose error suggests the nearest name instead of listing all."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Suggest the nearest name, or list all."""
        known = [str(choice) for choice in self.choices]
        return f"there is no {value!r}; {nearest(str(value), known)}"


class TimeType(click.ParamType[datetime]):
    """A past time in ISO 8601: UTC unless it has a zone, midnight unless it has a time of day."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        """Parse a time that is not in the future."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            self.fail(f"{value!r} is not a time; write it like 2026-01-20T12:00:00Z", param, ctx)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if moment > datetime.now(UTC):
            self.fail(f"{moment:%Y-%m-%d %H:%M:%S %Z} is in the future", param, ctx)
        return moment


class DayType(click.ParamType[date]):
    """A day up to today, YYYY-MM-DD."""

    name = "day"

    def convert(self, value: Any, param: Any, ctx: Any) -> date:
        """Parse a day that is not later than today in UTC."""
        if isinstance(value, date):
            return value
        try:
            day = date.fromisoformat(value.strip())
        except ValueError:
            self.fail(f"{value!r} is not a day; write it like 2025-11-10", param, ctx)
        if day > datetime.now(UTC).date():
            self.fail(f"{day} is in the future", param, ctx)
        return day


class WeekRange(click.ParamType[tuple[date, date]]):
    """`FROM..TO`, two Fridays, inclusive; either may be omitted, and one week alone is a range."""

    name = "weeks"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[date, date]:
        """Parse the first and the last week."""
        if isinstance(value, tuple):
            return value
        first, separator, last = value.replace("...", "..").partition("..")
        week = WeekType()
        newest = week_ending_of(datetime.now(UTC).date())
        found = (
            week.convert(first, param, ctx) if first else load_settings().first_week,
            week.convert(last, param, ctx) if last else newest,
        )
        if not separator:
            return found[0], found[0]
        if found[0] > found[1]:
            self.fail(f"{found[0]} is after {found[1]}; give the earlier week first", param, ctx)
        return found


def require_built(first: date, settings: Settings) -> None:
    """Refuse to build weeks before the first one that Dagster has a partition of."""
    if first < settings.first_week:
        raise click.UsageError(
            f"week {first} is before SPINE_FIRST_WEEK, {settings.first_week}; weeks before it are "
            "not built"
        )


def is_place_chosen() -> bool:
    """Whether the environment says where the data is."""
    return any(os.environ.get(name) for name in ("SPINE_DATA_DIR", "SPINE_LAKE"))


def visible(text: str) -> str:
    """Escape control characters, so that a terminal prints them instead of obeying them."""
    return "".join(char if char == "\n" else escaped(char) for char in text)


def print_rows(text: str) -> None:
    """Print rows for programs; what the encoding lacks is escaped, and a message says so."""
    click.echo(text, nl=False, color=True)  # keeps escape sequences
    encoding = codecs.lookup(sys.stdout.encoding or "utf-8").name
    if encoding == "ascii":
        return  # click takes it for a mistake and writes UTF-8
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        click.echo(
            f"{encoding} lacks some characters of these rows, which are escaped: set "
            "PYTHONIOENCODING=utf-8, or write a file",
            err=True,
        )


def print_json(value: object, indent: int | None = 1) -> None:
    """Print a value as JSON for programs."""
    click.echo(json.dumps(value, indent=indent))
