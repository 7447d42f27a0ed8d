"""Finds engines: those of the folder `engines/`, and those of other packages.

A module of the folder ends with `ENGINE = ...`. Another package declares entry points of the group
`spine_assets.engines`, whose values are instances of `Engine`.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from spine_assets.core.errors import Explained
from spine_assets.pipelines.steps import engines as folder
from spine_assets.pipelines.steps.engine import ActionEngine, Engine, TableEngine

GROUP = "spine_assets.engines"


class EngineNotUsable(Explained, TypeError):
    """A module or an entry point has no usable engine; the message says which one."""


@cache
def engines() -> dict[str, Engine[Any, Any, Any]]:
    """All engines by `ps_type`, in that order.

    Raises:
        EngineNotUsable: something is not an engine, or two have the same `ps_type`.
    """
    modules = [f"{folder.__name__}.{item.name}" for item in pkgutil.iter_modules(folder.__path__)]
    offered = [(name, getattr(importlib.import_module(name), "ENGINE", None)) for name in modules]
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.value):
        try:
            offered.append((f"entry point {point.name} = {point.value}", point.load()))
        except (ImportError, AttributeError) as error:
            raise EngineNotUsable(
                f"the entry point {point.name} = {point.value} of group {GROUP} cannot be "
                f"loaded: {error}; repair or uninstall its package"
            ) from error
    found: dict[str, tuple[str, Engine[Any, Any, Any]]] = {}
    for origin, engine in offered:
        if not isinstance(engine, (ActionEngine, TableEngine)):
            raise EngineNotUsable(f"{origin} is not an ActionEngine or TableEngine: {engine!r}")
        if engine.ps_type in found:
            first = found[engine.ps_type][0]
            raise EngineNotUsable(f"{first} and {origin} both have the ps_type {engine.ps_type}")
        found[engine.ps_type] = (origin, engine)
    return {ps_type: engine for ps_type, (_, engine) in sorted(found.items())}
