"""What the program runs on: Python and its packages."""

from __future__ import annotations

import platform
from importlib import metadata

from packaging.requirements import Requirement

from spine_assets.maintenance.doctor.diagnosis import Diagnosis, fail, listed, ok

PACKAGE = "spine-assets"
# Each names the one version of dagster that it works with.
DAGSTER_FAMILY = ("dagster-webserver", "dagster-graphql", "dagster-duckdb")
_SYNC = "make setup (or uv sync --locked)"


def packages() -> Diagnosis:
    """Whether each package that the project needs is installed, and new enough."""
    try:
        needed = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return fail(f"{PACKAGE} is not installed in this Python", _SYNC)
    return judge_packages([Requirement(text) for text in needed])


def judge_packages(needed: list[Requirement]) -> Diagnosis:
    """Compare requirements with what is installed."""
    wrong = [problem for item in needed if (problem := _unmet(item))]
    if wrong:
        return fail(listed(wrong), _SYNC)
    return ok(f"Python {platform.python_version()}, {len(needed)} packages as required")


def dagster_packages(names: tuple[str, ...] = DAGSTER_FAMILY) -> Diagnosis:
    """Whether Dagster's packages belong to one release: what each requires is installed."""
    wrong = []
    for name in names:
        try:
            needed = [Requirement(text) for text in metadata.requires(name) or []]
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is not installed")
            continue
        others = [item for item in needed if item.name.startswith("dagster")]
        wrong += [f"{name}: {problem}" for item in others if (problem := _unmet(item))]
    if wrong:
        return fail(listed(wrong), _SYNC)
    return ok(f"dagster {metadata.version('dagster')} and its packages belong to one release")


def _unmet(needed: Requirement) -> str | None:
    """What is wrong with an installed package, or None."""
    if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
        return None
    try:
        found = metadata.version(needed.name)
    except metadata.PackageNotFoundError:
        return f"{needed.name} is not installed"
    if needed.specifier.contains(found, prereleases=True):
        return None
    return f"{needed.name} is {found}, needed is {needed.specifier}"
