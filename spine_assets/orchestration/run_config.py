"""Run configuration that our jobs share."""

from __future__ import annotations

from typing import Any

LOGGED: dict[str, Any] = {"loggers": {"console": {"config": {}}}}
"""Chooses our console logger (`defs/logs.py`). A run without it, such as one of
`dagster asset materialize`, has Dagster's own."""
