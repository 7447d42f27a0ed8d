"""The backends that can be compared, and the reason why one of them cannot run here."""

from __future__ import annotations

import importlib.util
from typing import get_args

from spine_assets.core.settings import Settings

BACKENDS: tuple[str, ...] = get_args(Settings.model_fields["backend"].annotation)
"""All values of `SPINE_BACKEND`."""
_PACKAGES = ("dagster_celery", "redis")


def missing(backend: str) -> str | None:
    """The reason why a backend cannot run here; None if it can.

    Celery is compared with a broker and workers of its own, because the workers of an installation
    write to the storage and the lake of that installation.
    """
    if backend != "celery":
        return None
    if any(importlib.util.find_spec(name) is None for name in _PACKAGES):
        return "needs the extra cluster: uv sync --extra cluster"
    from spine_assets.dev.local_cluster import redis  # needs the extra `cluster`

    return redis.missing()
