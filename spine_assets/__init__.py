"""FINRA weekly OTC Transparency data as Dagster assets over DuckDB.

What other projects import is named here; docs/library.md describes it. It is loaded on use, so that
the `spine` command does not import Dagster.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spine_assets.defs.library import build_definitions
    from spine_assets.orchestration.partitions import (
        monday_weeks,
        trading_days,
        trading_months,
        trading_week_mapping,
        trading_weeks,
    )
    from spine_assets.orchestration.table_inputs import SpineTables
    from spine_assets.questions.otc import open_data as open  # noqa: A004 - as others name it

_PARTITIONS = "spine_assets.orchestration.partitions"
_HOMES = {
    "build_definitions": ("spine_assets.defs.library", "build_definitions"),
    "SpineTables": ("spine_assets.orchestration.table_inputs", "SpineTables"),
    "monday_weeks": (_PARTITIONS, "monday_weeks"),
    "open": ("spine_assets.questions.otc", "open_data"),
    "trading_days": (_PARTITIONS, "trading_days"),
    "trading_months": (_PARTITIONS, "trading_months"),
    "trading_week_mapping": (_PARTITIONS, "trading_week_mapping"),
    "trading_weeks": (_PARTITIONS, "trading_weeks"),
}

__all__ = [
    "SpineTables",
    "build_definitions",
    "monday_weeks",
    "open",
    "trading_days",
    "trading_months",
    "trading_week_mapping",
    "trading_weeks",
]


def __getattr__(name: str) -> Any:
    """Import a public name."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
