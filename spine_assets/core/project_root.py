"""The folder at which relative paths start: that of `dagster.yaml`, wherever a command is run.

One installation has one lake and one history. If relative paths started at the working folder, a
command from another folder would begin a second lake there in silence. Belongs here: finding the
folder. Does not belong here: what lies in it (`settings`, `dagster.yaml`).
"""

from __future__ import annotations

import os
from pathlib import Path

CONFIG = "dagster.yaml"
"""Dagster's configuration, which marks the folder."""
NO_PROJECT = (
    f"there is no {CONFIG} in this folder or above it: spine init makes a project of this folder; "
    "or run the command in a project, or let DAGSTER_HOME name one"
)
"""What a command reports that needs a project and is run outside of any."""


def project_root() -> Path:
    """`DAGSTER_HOME` where it is set, else the nearest folder with a `dagster.yaml`.

    Looked for in the working folder and above it; if there is none, it is the working folder.
    """
    if home := os.environ.get("DAGSTER_HOME"):
        return Path(home).expanduser().absolute()
    here = Path.cwd()
    return next((one for one in (here, *here.parents) if (one / CONFIG).is_file()), here)


def has_project() -> bool:
    """Whether `DAGSTER_HOME` is set, or a `dagster.yaml` is in the working folder or above it."""
    return bool(os.environ.get("DAGSTER_HOME")) or (project_root() / CONFIG).is_file()


def anchored(path: Path | str) -> Path:
    """An absolute path; a relative one starts at the project's root."""
    return project_root() / path


def env_file() -> Path:
    """The file `.env` of the installation, existing or not."""
    return project_root() / ".env"
