"""Values that a shell completes: weeks and capture ids.

Each is a function that click calls for completions. It must be quick, so it lists folders instead
of opening files, and silent, so an unreadable lake completes nothing. A new kind of value is one
more function here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from spine_assets.core.settings import load_settings
from spine_assets.lake.base import LakeError
from spine_assets.lake.opening import open_lake
from spine_assets.otc.tables import raw

Completer = Callable[[click.Context | None, click.Parameter | None, str], list[str]]
_RAW = raw.TABLE.name
_WEEK = "week_ending="
_PARQUET = ".parquet"


def quiet(complete: Callable[[], list[str]]) -> Completer:
    """Keep the values that begin with the typed text; none where they cannot be read."""

    @wraps(complete)
    def offered(context: Any, parameter: Any, incomplete: str) -> list[str]:
        try:
            return [text for text in complete() if text.startswith(incomplete)]
        except (ImportError, OSError, ValueError, LakeError):  # ValueError: invalid settings
            return []

    return offered


@quiet
def weeks() -> list[str]:
    """Captured weeks, newest first."""
    root = _root()
    return _weeks_in(root) if isinstance(root, Path) else _in_bucket(root)[0]


@quiet
def capture_ids() -> list[str]:
    """Ids of all captures, newest week first."""
    root = _root()
    if isinstance(root, Path):
        names = [
            name
            for week in _weeks_in(root)
            for name in sorted(os.listdir(root / _RAW / f"{_WEEK}{week}"))  # noqa: PTH208 - names alone
        ]
    else:
        names = _in_bucket(root)[1]
    found = [
        name.removesuffix(_PARQUET).rpartition(".")[2]
        for name in names
        if name.endswith(_PARQUET) and not name.startswith(".")
    ]
    return list(dict.fromkeys(found))


def _root() -> Path | str:
    return load_settings().lake_place


def _weeks_in(root: Path) -> list[str]:
    names = os.listdir(root / _RAW)  # noqa: PTH208 - names alone
    found = (name.removeprefix(_WEEK) for name in names if name.startswith(f"{_WEEK}2"))
    return sorted(found, reverse=True)


def _in_bucket(url: str) -> tuple[list[str], list[str]]:
    """Weeks and names of captures, newest week first, with one request."""
    captured = sorted(open_lake(url).names(_RAW).items(), reverse=True)
    return [str(week) for week, _ in captured], [name for _, names in captured for name in names]
