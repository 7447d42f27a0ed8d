"""Run configuration that our jobs share."""

from __future__ import annotations

from typing import Any

from spine_assets.orchestration.site import our_name


def logged() -> dict[str, Any]:
    """Chooses our console logger (`defs/logs.py`).

    A run without it, such as one of `dagster asset materialize`, has Dagster's own.
    """
    return {"loggers": {our_name("console"): {"config": {}}}}


LOGGED = logged()
"""That of definitions without a prefix."""
