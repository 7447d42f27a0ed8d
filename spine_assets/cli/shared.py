"""What the commands share: types of arguments, errors in one line, the lake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from spine_assets.lake import Lake

DEFAULT_WEEKS = 12  # about a quarter, which fits a screen
# Written out: importing the declarations would cost `spine --help` its speed. A test compares.
TABLE_NAMES = (
    "otc_raw",
    "otc_rejects",
    "otc_venue_volume",
    "otc_symbol_summary",
    "otc_venue_share",
    "otc_restatements",
)
COUNT = click.IntRange(min=1)
NEWEST_RUNS = 1_000  # `run_log.NEWEST`, written out likewise
# Written out: importing the declarations would cost `spine --help` its speed. A test compares.
LANE = click.Choice(["normal", "backfill", "slow"])
max_runtime_option = click.option(
    "--max-runtime",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="End a run that takes longer; default: as dagster.yaml says.",
)
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


class WeekType(click.ParamType[date]):
    """A week by its Friday; another day's error names the right one."""

    name = "week"

    def convert(self, value: Any, param: Any, ctx: Any) -> date:
        """Read a Friday, or say which Friday was meant."""
        from spine_assets.weeks import WeekError, parse_week

        try:
            return value if isinstance(value, date) else parse_week(value)
        except WeekError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the weeks that are captured."""
        from click.shell_completion import CompletionItem

        from spine_assets.cli import completing

        return [CompletionItem(text) for text in completing.weeks(ctx, param, incomplete)]


class NameChoice(click.Choice[str]):
    """One of some names; a mistyped one's error names the nearest."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Say which was meant, or name all."""
        import difflib

        known = [str(choice) for choice in self.choices]
        close = difflib.get_close_matches(str(value), known, n=1)
        meant = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
        return f"there is no {value!r}; {meant}"


class MomentType(click.ParamType[datetime]):
    """A moment in ISO 8601; without a zone it is UTC, without a time the day's first moment."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        """Read a moment that is not in the future."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            self.fail(f"{value!r} is no time; give one as 2026-01-20T12:00:00Z", param, ctx)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if moment > datetime.now(UTC):
            self.fail(f"{moment:%Y-%m-%d %H:%M:%S %Z} is in the future", param, ctx)
        return moment


class DayType(click.ParamType[date]):
    """A day, YYYY-MM-DD, that is not in the future."""

    name = "day"

    def convert(self, value: Any, param: Any, ctx: Any) -> date:
        """Read a day; today is that of UTC."""
        if isinstance(value, date):
            return value
        try:
            day = date.fromisoformat(value.strip())
        except ValueError:
            self.fail(f"{value!r} is no day; give one as 2025-11-10", param, ctx)
        if day > datetime.now(UTC).date():
            self.fail(f"{day} is in the future", param, ctx)
        return day


class WeekRange(click.ParamType[tuple[date, date]]):
    """`FROM..TO`, both Fridays and both included; either may be left out, or be one week."""

    name = "weeks"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[date, date]:
        """Read the first and the last week."""
        from spine_assets.weeks import FIRST_WEEK, week_ending_of

        if isinstance(value, tuple):
            return value
        first, separator, last = value.replace("...", "..").partition("..")
        week = WeekType()
        newest = week_ending_of(datetime.now(UTC).date())
        found = (
            week.convert(first, param, ctx) if first else FIRST_WEEK,
            week.convert(last, param, ctx) if last else newest,
        )
        if not separator:
            return found[0], found[0]
        if found[0] > found[1]:
            self.fail(f"{found[0]} is after {found[1]}; give the earlier week first", param, ctx)
        return found


def visible(text: str) -> str:
    """A text whose control characters are written out, so that none acts on a terminal."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


def told(command: Callable[..., None]) -> Callable[..., None]:
    """Turn the errors that users can mend into one line on standard error."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        import logging

        from pydantic import ValidationError

        from spine_assets.settings import faults, load_settings

        try:
            logging.basicConfig(format="%(levelname)s %(message)s")  # others: warnings only
            logging.getLogger("spine_assets").setLevel(load_settings().log_level)
            command(*args, **kwargs)
        except ValidationError as error:
            raise click.ClickException("; ".join(faults(error))) from error
        except _errors_of_storage() as error:
            said = visible(str(getattr(error, "orig", error)))
            raise click.ClickException(
                f"Dagster's storage cannot be read or written ({said}); it is the folder that "
                "dagster.yaml names: wait where it is locked, restore it where it is damaged"
            ) from error
        except _errors_to_mend() as error:
            lines = str(error).split("\n")  # several faults stand on lines of their own
            raise click.ClickException("\n".join(visible(line) for line in lines)) from error

    return run


def _errors_of_storage() -> tuple[type[Exception], ...]:
    """What Dagster's storage raises; imported when something failed, as it takes 0.3 s."""
    from sqlalchemy.exc import DBAPIError

    return (DBAPIError,)


def _errors_to_mend() -> tuple[type[Exception], ...]:
    """Errors that say what to do; imported when something failed, as some need Dagster."""
    import duckdb

    from spine_assets.declarative.finding import EngineNotUsable
    from spine_assets.declarative.reading import BadDeclaration
    from spine_assets.finra.errors import FinraError
    from spine_assets.history import NoInstance, NoSuchRun
    from spine_assets.lake import LakeError
    from spine_assets.otc.as_of import NotKnown
    from spine_assets.otc.file_format import FileRefused
    from spine_assets.pipelines import CannotLaunch
    from spine_assets.replacing import CannotBuild
    from spine_assets.settings import WrongSetting
    from spine_assets.weeks import WeekError

    return (
        BadDeclaration,
        EngineNotUsable,
        *(CannotBuild, CannotLaunch, FileRefused, FinraError, LakeError, NoInstance, NoSuchRun),
        *(NotKnown, WeekError, WrongSetting, OSError, duckdb.Error),
    )


def open_lake() -> Lake:
    """The lake that the settings name."""
    from spine_assets import lakes
    from spine_assets.settings import load_settings

    return lakes.open_lake(load_settings().lake_place)


def nothing_built() -> click.ClickException:
    """What `spine week` and `spine report` say where no week is built yet."""
    from spine_assets.settings import load_settings

    return click.ClickException(
        "no week is built yet: make demo loads the sample; or drop files into "
        f"{visible(str(load_settings().landing_path))} and run spine backfill --missing"
    )
