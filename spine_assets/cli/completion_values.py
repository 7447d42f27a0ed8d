"""Values that a shell completes: weeks, capture ids and tables, which click calls for.

An unreadable lake completes nothing, without a message. A new kind of value is one more function
here.
"""

from __future__ import annotations

from datetime import date

import click

from spine_assets.core.settings import load_settings
from spine_assets.lake.base import LakeError
from spine_assets.lake.opening import open_lake
from spine_assets.otc.tables import raw
from spine_assets.otc.tables.registry import TABLES


def weeks(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Captured weeks, newest first."""
    return [str(week) for week, _ in _captured() if str(week).startswith(incomplete)]


def capture_ids(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Ids of all captures, newest week first."""
    names = [name.removesuffix(".parquet") for _, found in _captured() for name in found]
    ids = dict.fromkeys(name.rpartition(".")[2] for name in names)
    return [capture_id for capture_id in ids if capture_id.startswith(incomplete)]


def tables(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Our weekly tables; those of YAML pipelines are slow to find."""
    return [table.name for table in TABLES if table.name.startswith(incomplete)]


def _captured() -> list[tuple[date, list[str]]]:
    """Weeks and the names of their captures, newest first; none where they cannot be read."""
    try:
        found = open_lake(load_settings().lake_place).names(raw.TABLE.name)
    except (ImportError, OSError, ValueError, LakeError):  # ValueError: invalid settings
        return []
    return sorted(found.items(), reverse=True)
