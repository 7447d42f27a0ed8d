"""How a command reports an error that a user can correct: one message, exit code 1, no traceback.

Belongs here: which exceptions these are, and opening what most commands open. Apart from
`shared`, as it needs most of the package, which options and types do not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
import duckdb
from pydantic import ValidationError

from spine_assets.cli.shared import as_json_option, is_place_chosen, visible
from spine_assets.core.project_root import NO_PROJECT, env_file, has_project
from spine_assets.core.settings import WrongSetting, load_settings, setting_problems
from spine_assets.core.weeks import WeekError
from spine_assets.finra.errors import FinraError
from spine_assets.lake import opening as lakes
from spine_assets.lake.base import Lake, LakeError
from spine_assets.otc.captures.provenance import NOTICE, is_synthetic
from spine_assets.otc.delivery.reasons import FileRefused
from spine_assets.otc.past.as_of import NotKnown
from spine_assets.pipelines.catalog import CannotLaunch
from spine_assets.pipelines.steps.registry import EngineNotUsable
from spine_assets.pipelines.yaml.loader import BadDeclaration
from spine_assets.questions.declared import NothingFound
from spine_assets.warehouse.database_copy import CannotRefresh

_EXPLAINED = (
    *(BadDeclaration, CannotLaunch, CannotRefresh, EngineNotUsable, FileRefused, FinraError),
    *(LakeError, NothingFound, NotKnown, WeekError, WrongSetting, OSError, duckdb.Error),
)
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
    if isinstance(error, ValidationError):
        return "; ".join(setting_problems(error))
    if not isinstance(error, _EXPLAINED):
        from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - 0.3 s, and only after an error

        from spine_assets.orchestration.history import (  # noqa: PLC0415 - imports Dagster
            NoInstance,
            NoSuchRun,
            OtherLake,
        )

        if isinstance(error, DBAPIError):
            if any(mark in str(error.orig) for mark in _DAMAGED):
                return (
                    f"Dagster's history is damaged ({visible(str(error.orig))}): spine doctor "
                    "names the database by PRAGMA quick_check, and the cure"
                )
            return (
                f"Dagster's storage cannot be read or written ({visible(str(error.orig))}); it is "
                "the folder that dagster.yaml names: wait if it is locked, restore it if it is "
                "damaged"
            )
        if not isinstance(error, (NoInstance, NoSuchRun, OtherLake)):
            return None
    return "\n".join(visible(line) for line in str(error).split("\n"))  # one problem per line


def open_lake() -> Lake:
    """The lake that the settings name, or that of the project.

    Raises:
        ClickException: there is neither, so that no lake begins in a folder by accident.
    """
    place = load_settings().lake_place
    if not (has_project() or is_place_chosen() or env_file().exists() or Path(place).exists()):
        raise click.ClickException(NO_PROJECT)
    return lakes.open_lake(place)


def no_week_built() -> click.ClickException:
    """The error of commands that need a built week, where there is none yet."""
    return click.ClickException(
        "no week is built yet: spine demo loads the sample; or drop files into "
        f"{visible(str(load_settings().landing_path))} and run spine backfill --missing"
    )


def note_synthetic(lake: Lake, *, quiet: bool = False) -> bool:
    """Whether the lake's data is synthetic; if so standard error says it, unless it is `quiet`."""
    found = is_synthetic(lake)
    if found and not quiet:
        click.echo(NOTICE, err=True)
    return found
