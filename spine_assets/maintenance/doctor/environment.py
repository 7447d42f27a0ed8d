"""What the program runs on: Python, packages, settings and the `.env` file."""

from __future__ import annotations

import difflib
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from spine_assets.maintenance.doctor.findings import Finding, fail, listed, ok, warn

if TYPE_CHECKING:
    from spine_assets.core.settings import Settings

PACKAGE = "spine-assets"
# Each names the one version of dagster that it works with.
DAGSTER_FAMILY = ("dagster-webserver", "dagster-graphql", "dagster-duckdb")
_SYNC = "make setup (or uv sync --locked)"
_PREFIX = "SPINE_"
_OTHERS = "SPINE_ALERT_"  # read by the alerts, beside `Settings`


def packages(root: Path) -> Finding:
    """Whether each package that the project needs is installed, and new enough."""
    try:
        needed = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return fail(f"{PACKAGE} is not installed in this Python", _SYNC)
    return judge_packages([Requirement(text) for text in needed])


def judge_packages(needed: list[Requirement]) -> Finding:
    """Compare requirements with what is installed."""
    wrong = [fault for item in needed if (fault := _unmet(item))]
    if wrong:
        return fail(listed(wrong), _SYNC)
    return ok(f"Python {platform.python_version()}, {len(needed)} packages as required")


def dagster_packages(root: Path) -> Finding:
    """Whether Dagster's packages are of one release."""
    return judge_family(DAGSTER_FAMILY)


def judge_family(names: tuple[str, ...]) -> Finding:
    """Compare what each of Dagster's packages requires of Dagster with what is installed."""
    wrong = []
    for name in names:
        try:
            needed = [Requirement(text) for text in metadata.requires(name) or []]
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is not installed")
            continue
        kin = [item for item in needed if item.name.startswith("dagster")]
        wrong += [f"{name}: {fault}" for item in kin if (fault := _unmet(item))]
    if wrong:
        return fail(listed(wrong), _SYNC)
    return ok(f"dagster {metadata.version('dagster')} and its packages are of one release")


def _unmet(needed: Requirement) -> str | None:
    """What is wrong with an installed package, or None."""
    if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
        return None
    try:
        held = metadata.version(needed.name)
    except metadata.PackageNotFoundError:
        return f"{needed.name} is not installed"
    if needed.specifier.contains(held, prereleases=True):
        return None
    return f"{needed.name} is {held}, needed is {needed.specifier}"


def read_settings() -> tuple[Settings | None, Finding]:
    """The settings, and whether they can be read."""
    from pydantic import ValidationError

    from spine_assets.core.settings import faults, load_settings

    mend = "mend it in the environment or in .env; docs/settings.md lists all settings"
    try:
        settings = load_settings()
    except ValidationError as error:
        return None, fail("; ".join(faults(error)), mend)
    except (OSError, ValueError) as error:  # a `.env` that is no text
        return None, fail(f".env cannot be read: {error}", mend)
    return settings, ok(f"data in {settings.data_dir.absolute()}, lake in {settings.lake_place}")


def dotenv(root: Path) -> Finding:
    """Whether there is a `.env` file, and whether all `SPINE_` names are settings."""
    from dotenv import dotenv_values

    from spine_assets.core.settings import Settings

    path = root / ".env"
    known = [_PREFIX + name.upper() for name in Settings.model_fields]
    try:
        written = list(dotenv_values(path)) if path.is_file() else []
    except (OSError, ValueError) as error:
        return fail(f"{path} cannot be read: {error}", "write it anew as UTF-8 text, or delete it")
    unknown = [
        _unknown(name, known)
        for name in dict.fromkeys([*written, *os.environ])
        if name.upper().startswith(_PREFIX)
        and not name.upper().startswith(_OTHERS)
        and name.upper() not in known
        and not name.startswith("_")
    ]
    if unknown:
        return warn(
            f"not read, because there is no such setting: {listed(unknown)}",
            "mend the name; docs/settings.md lists all settings",
        )
    if not path.is_file():
        return ok("no .env file here; settings come from the environment, or are the defaults")
    ours = [name for name in written if name.upper().startswith(_PREFIX)]
    return ok(f"{path} sets {listed(ours) or 'nothing of ours'}")


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name.upper(), known, n=1)
    return f"{name} (did you mean {close[0]}?)" if close else name
