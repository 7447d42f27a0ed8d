"""The backends that can be compared, and why one of them cannot run here."""

from __future__ import annotations

import importlib.util
from typing import get_args

from spine_assets.core.settings import Settings

BACKENDS: tuple[str, ...] = get_args(Settings.model_fields["backend"].annotation)
"""All values of `SPINE_BACKEND`."""
_PACKAGES = ("dagster_celery", "redis")


def missing(backend: str) -> str | None:
    """Why a backend cannot run here; None where it can.

    Celery is compared on a broker and workers of its own: the workers of an installation write
    to that one's storage and lake.
    """
    if backend != "celery":
        return None
    if any(importlib.util.find_spec(name) is None for name in _PACKAGES):
        return "needs the extra cluster: uv sync --extra cluster"
    from spine_assets.dev.local_cluster import redis

    return redis.missing()
