"""How a command reports an error that a user can correct: one message, exit code 1, no traceback.

Belongs here: which exceptions these are, and opening what most commands open. Apart from
`shared`, as it needs the lake, which options and types do not.
"""

from __future__ import annotations

import getpass
import logging
import os
from collections.abc import Callable
from difflib import get_close_matches
from functools import wraps
from pathlib import Path
from typing import Any

import click
import duckdb
from pydantic import ValidationError

from spine_assets.cli.shared import as_json_option, is_place_chosen, visible
from spine_assets.core.errors import Explained
from spine_assets.core.project_root import NO_PROJECT, env_file, has_project
from spine_assets.core.settings import Settings, load_settings, setting_problems
from spine_assets.lake import opening as lakes
from spine_assets.lake.base import Lake
from spine_assets.otc.captures.provenance import NOTICE, is_synthetic

_EXPLAINED = (Explained, OSError, duckdb.Error)
"""Exceptions whose message says what to do."""
_DAMAGED = ("malformed", "not a database")  # SQLite's words


def reports_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Print errors that users can correct as a message on standard error, with exit code 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            logging.basicConfig(format="%(levelname)s %(message)s")  # others: warnings only
            logging.getLogger("spine_assets").setLevel(load_settings().log_level)
            command(*args, **kwargs)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            message = _message(error)
            if message is None:
                raise
            raise click.ClickException(message) from error

    return run


def with_json(command: Callable[..., None]) -> Callable[..., None]:
    """`reports_errors`, and the option `--json`."""
    return as_json_option(reports_errors(command))


def _message(error: Exception) -> str | None:
    """What to print instead of a traceback; None where the exception is a defect of ours."""
    if isinstance(error, duckdb.OutOfMemoryException):
        limit = load_settings().memory_limit.human_readable(decimal=True)
        return (
            f"this needs more memory than SPINE_MEMORY_LIMIT allows ({limit}): ask for fewer weeks "
            "or columns, or set a higher limit"
        )
    if isinstance(error, ValidationError):
        return "; ".join(setting_problems(error))
    if isinstance(error, PermissionError) and error.filename:
        return _forbidden(Path(os.fsdecode(error.filename)))
    if not isinstance(error, _EXPLAINED):
        return _of_storage(error)
    return "\n".join(visible(line) for line in str(error).split("\n"))  # one problem per line


def _of_storage(error: Exception) -> str | None:
    """What to do about an error of Dagster's storage; None where it is another one."""
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - 0.3 s, and only after an error

    if not isinstance(error, DBAPIError):
        return None
    said = visible(str(error.orig))
    if any(mark in str(error.orig) for mark in _DAMAGED):
        return (
            f"Dagster's history is damaged ({said}): spine doctor names the database by "
            "PRAGMA quick_check, and the cure"
        )
    return (
        f"Dagster's storage cannot be read or written ({said}); it is the folder that dagster.yaml "
        "names: wait if it is locked, restore it if it is damaged, run the command as its owner if "
        "you may not write there"
    )


def _forbidden(path: Path) -> str:
    """What to do where this user may not read or write a path."""
    there = next((place for place in (path, *path.parents) if os.path.lexists(place)), path)
    try:
        owner = there.owner()
    except (OSError, KeyError):
        owner = "another user"
    return (
        f"{visible(str(path))}: user {_me()} may not read or write it ({visible(str(there))} "
        f"belongs to {visible(owner)}): run the command as that user, or ask for permission"
    )


def _me() -> str:
    try:
        return visible(getpass.getuser())
    except (OSError, KeyError, ImportError):  # a user without a name, as in a container
        return str(os.getuid())


def open_lake(*, may_begin: bool = False) -> Lake:
    """The lake that the settings name, or that of the project.

    Args:
        may_begin: Whether the command may be the first that writes data.

    Raises:
        ClickException: there is neither, so that no lake begins in a folder by accident; or the
            data folder does not exist, and the command only reads.
    """
    settings = load_settings()
    if may_begin:
        _require_project(settings)
    else:
        require_data(settings)
    return lakes.open_lake(settings.lake_place)


def _require_project(settings: Settings) -> None:
    place = Path(settings.lake_place)
    if not (has_project() or is_place_chosen() or env_file().exists() or place.exists()):
        raise click.ClickException(NO_PROJECT)


def require_data(settings: Settings) -> None:
    """Refuse to read where there is no project or no data folder, which is then not made.

    Raises:
        ClickException: the folder of the lake or of all data does not exist.
    """
    _require_project(settings)
    place = settings.lake_place
    if not isinstance(place, Path) or place.exists():
        return
    name, folder = ("SPINE_LAKE", place) if settings.lake else ("SPINE_DATA_DIR", settings.data_dir)
    if folder.is_dir():
        return
    shown = visible(str(folder))
    if name.removeprefix("SPINE_").lower() not in settings.model_fields_set:
        raise click.ClickException(
            f"there is no data folder {shown} yet, so no week is loaded: {how_to_load()}"
        )
    where = "" if os.environ.get(name) else f" in {visible(str(env_file()))}"
    landing = visible(str(settings.landing_path))
    begin = f"correct it, or drop files into {landing} and run spine backfill --missing"
    raise click.ClickException(
        f"{name}{where} names {shown}, which does not exist: {_like(folder) or begin}"
    )


def _like(folder: Path) -> str:
    """A folder beside a missing one with almost its name, as a question."""
    try:
        names = [entry.name for entry in folder.parent.iterdir() if entry.is_dir()]
    except OSError:
        return ""
    close = get_close_matches(folder.name, names, n=1)
    return f"did you mean {visible(str(folder.parent / close[0]))}?" if close else ""


def how_to_load() -> str:
    """What to do where no week is loaded."""
    return (
        "spine demo loads the sample; or drop files into "
        f"{visible(str(load_settings().landing_path))} and run spine backfill --missing"
    )


def no_week_built() -> click.ClickException:
    """The error of commands that need a built week, where there is none yet."""
    return click.ClickException(f"no week is built yet: {how_to_load()}")


def note_synthetic(lake: Lake, *, quiet: bool = False) -> bool:
    """Whether the lake's data is synthetic; if so standard error says it, unless it is `quiet`."""
    found = is_synthetic(lake)
    if found and not quiet:
        click.echo(NOTICE, err=True)
    return found
