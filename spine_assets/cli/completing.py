"""Values that the shell completes: weeks, capture ids, and what else is named on a command line.

Each is a function from what click gives to texts; it must be quick, so it lists folders and
imports none of the heavy modules, and silent, so what it cannot read completes nothing. A new
kind of value is one more function here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

Completer = Callable[[click.Context | None, click.Parameter | None, str], list[str]]
_RAW = "otc_raw"
_WEEK = "week_ending="
_PARQUET = ".parquet"


def quiet(complete: Callable[[], list[str]]) -> Completer:
    """Offer what begins with the typed text; nothing where it cannot be told."""

    @wraps(complete)
    def offered(context: Any, parameter: Any, incomplete: str) -> list[str]:
        try:
            return [text for text in complete() if text.startswith(incomplete)]
        except (ImportError, OSError, ValueError):  # ValueError: settings that are wrong
            return []

    return offered


@quiet
def weeks() -> list[str]:
    """Weeks that are captured, newest first."""
    return [folder.removeprefix(_WEEK) for folder in _week_folders()]


@quiet
def capture_ids() -> list[str]:
    """Ids of all captures, those of the newest week first."""
    root = _root()
    found = [
        name.removesuffix(_PARQUET).rpartition(".")[2]
        for folder in _week_folders()
        for name in sorted(os.listdir(f"{root}/{folder}"))  # noqa: PTH208 - names alone
        if name.endswith(_PARQUET) and not name.startswith(".")
    ]
    return list(dict.fromkeys(found))


def _root() -> str:
    from spine_assets.settings import load_settings

    return str(load_settings().lake_path / _RAW)


def _week_folders() -> list[str]:
    names = os.listdir(_root())  # noqa: PTH208 - names alone
    return sorted((name for name in names if name.startswith(f"{_WEEK}2")), reverse=True)
