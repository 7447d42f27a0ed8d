"""What is wrong with an installation, and how to correct it.

Examinations look and change nothing; the one thing they write is a small file of their own,
which they delete at once. Belongs here: which examinations there are and in which order. Each is
a function in a module named after what it looks at, and runs even where others failed. The modules
are imported late, because a package that is missing or broken is a finding too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from spine_assets.maintenance.doctor import code_location, environment
from spine_assets.maintenance.doctor.diagnosis import Diagnosis, Health, fail, ok, warn

__all__ = ["Diagnosis", "Health", "examine"]

_SYNC = "make setup (or uv sync --locked)"


def examine(root: Path) -> Iterator[tuple[str, Diagnosis]]:
    """Make every examination, with the project's folder as the working folder; by name."""
    with code_location.loading(root) as loading:  # takes longest, so it begins first
        for name, part in (("environment", _environment), ("data", _data), ("history", _history)):
            try:
                yield from part(root)
            except ImportError as error:
                problem = f"not examined: the program cannot be imported here ({error})"
                yield name, fail(problem, _SYNC)
        yield "code_location", loading.diagnosis()


def _environment(root: Path) -> Iterator[tuple[str, Diagnosis]]:
    yield "packages", environment.packages()
    yield "dagster_packages", environment.dagster_packages()
    from spine_assets.maintenance.doctor import configuration  # its packages may be missing

    yield "dotenv", configuration.dotenv(root)


def _data(root: Path) -> Iterator[tuple[str, Diagnosis]]:
    from spine_assets.maintenance.doctor import (  # their packages may be missing
        configuration,
        folders,
        lake,
    )

    settings, diagnosis = configuration.read_settings()
    yield "settings", diagnosis
    for name, function in (
        ("landing", folders.landing),
        ("landing_index", folders.index_file),
        ("data_folder", folders.data_folder),
        ("lake_folder", folders.lake_folder),
        ("disk_space", folders.disk_space),
        ("tables", lake.tables),
        ("provenance", lake.provenance),
        ("lake_format", lake.lake_format),
        ("contents", lake.contents),
        ("leftovers", lake.leftovers),
        ("seals", lake.checksums),
        ("derived_tables", lake.derived_tables),
        ("clock", lake.clock),
        ("database", lake.database),
        ("one_history", partial(configuration.histories, root)),
    ):
        if settings is None:
            yield name, warn("not examined: the settings cannot be read", "see settings above")
        else:
            yield name, folders.readable(settings, function)


def _history(root: Path) -> Iterator[tuple[str, Diagnosis]]:
    from spine_assets.maintenance.doctor import configuration, dagster  # packages may be missing

    yield "dagster_yaml", configuration.dagster_yaml(root)
    with dagster.opened(root) as (instance, diagnosis):
        yield "dagster_storage", diagnosis
        for name, function in (
            ("dagster_schema", dagster.schema),
            ("run_queue", dagster.run_queue),
            ("daemon", dagster.daemon),
            ("sensor", dagster.sensor),
            ("long_runs", dagster.long_runs),
        ):
            if instance is not None:
                yield name, dagster.readable(instance, function)
            elif diagnosis.outcome is Health.OK:
                yield name, ok("nothing is recorded yet")
            else:
                problem = "not examined: Dagster's history is not open"
                yield name, warn(problem, "see dagster_storage above")
        settings, _ = configuration.read_settings()
        if instance is not None and settings is not None:
            yield "one_lake", dagster.readable(instance, partial(dagster.one_lake, settings))
            yield "record", dagster.readable(instance, partial(dagster.agreement, settings))
