"""What is wrong with an installation, and how to mend it.

Examinations look and change nothing; the one thing they write is a small file of their own,
which they delete at once. Belongs here: which examinations there are and in which order. Each is
a function in a module of what it looks at, and is asked even where others failed; those that need
what could not be opened say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from spine_assets.maintenance.doctor.findings import Examined, Finding, Outcome, fail, warn

__all__ = ["Examined", "Finding", "Outcome", "examine"]

_NEEDS_SETTINGS = "not examined: the settings cannot be read"
_NEEDS_HISTORY = "not examined: Dagster's history is not open"
_SEE_ABOVE = "see dagster_storage above"


def examine(root: Path) -> Iterator[Examined]:
    """Make every examination, with the project's folder being the working folder."""
    from spine_assets.maintenance.doctor import code_location

    with code_location.loading(root) as loading:  # takes longest, so it begins first
        for name, part in (("environment", _environment), ("data", _data), ("history", _history)):
            try:
                yield from part(root)
            except ImportError as error:
                said = f"not examined: the program cannot be imported here ({error})"
                yield Examined(name, fail(said, "make setup (or uv sync --locked)"))
        yield Examined("code_location", loading.finding())


def _environment(root: Path) -> Iterator[Examined]:
    from spine_assets.maintenance.doctor import environment

    for name, function in (
        ("packages", environment.packages),
        ("dagster_packages", environment.dagster_packages),
        ("dotenv", environment.dotenv),
    ):
        yield Examined(name, function(root))


def _data(root: Path) -> Iterator[Examined]:
    from spine_assets.maintenance.doctor import dagster as memory
    from spine_assets.maintenance.doctor import environment
    from spine_assets.maintenance.doctor import folders as places
    from spine_assets.maintenance.doctor import lake as stored

    settings, finding = environment.read_settings()
    yield Examined("settings", finding)
    for name, function in (
        ("landing", places.landing),
        ("landing_index", places.index_file),
        ("data_folder", places.data_folder),
        ("lake_folder", places.lake_folder),
        ("disk_space", places.disk_space),
        ("tables", stored.tables),
        ("leftovers", stored.leftovers),
        ("seals", stored.seals),
        ("derived_tables", stored.derived_tables),
        ("clock", stored.clock),
        ("view_file", stored.view_file),
        ("one_history", memory.histories),
    ):
        if settings is None:
            yield Examined(name, warn(_NEEDS_SETTINGS, "see settings above"))
        else:
            yield Examined(name, _told(function, settings))


def _history(root: Path) -> Iterator[Examined]:
    from spine_assets.maintenance.doctor import dagster as memory

    yield Examined("dagster_yaml", memory.config_file(root))
    with memory.opened(root) as (instance, finding):
        yield Examined("dagster_storage", finding)
        for name, function in (
            ("dagster_schema", memory.schema),
            ("run_queue", memory.run_queue),
            ("daemon", memory.daemon),
            ("sensor", memory.sensor),
            ("long_runs", memory.long_runs),
        ):
            if instance is not None:
                yield Examined(name, memory.readable(instance, function))
            elif finding.outcome is Outcome.OK:
                yield Examined(name, Finding(Outcome.OK, "nothing is recorded yet"))
            else:
                yield Examined(name, warn(_NEEDS_HISTORY, _SEE_ABOVE))


def _told(function: Callable[[Any], Finding], settings: Any) -> Finding:
    """A finding; what cannot be looked at is one too."""
    from spine_assets.lake.base import LakeError

    try:
        return function(settings)
    except OSError as error:
        said = f"{error.filename or 'a place'} cannot be looked at: {error.strerror or error}"
        return fail(said, "mount the disk, or mend the permissions")
    except (LakeError, ValueError) as error:  # ValueError: a week's folder of another name
        return fail(f"cannot be looked at: {error}", "move away what is not of this program")
