"""The code location: everything under `defs/`, run in one process.

In-process is the default because a step process of its own costs several seconds a week;
weeks of a range already share one step.
"""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path

import dagster as dg

import spine_assets.defs


@dg.definitions
def defs() -> dg.Definitions:
    """All definitions of the project.

    The tree is made from the module and not by `load_from_defs_folder`, which takes the
    location's name from pyproject.toml and warns wherever the same code is loaded by
    another name, as `dagster asset materialize -m spine_assets.definitions` does.
    """
    return _loaded()


@cache
def _loaded() -> dg.Definitions:
    """Made once a process: one `dagster asset materialize` asks for them six times."""
    tree = dg.ComponentTree.from_module(
        defs_module=spine_assets.defs, project_root=Path(__file__).parent.parent
    )
    with warnings.catch_warnings():
        # dagster 1.13.27 gives what YAML declares a code reference, which it calls beta itself.
        warnings.filterwarnings("ignore", ".*Code[Rr]eference.* in beta", dg.BetaWarning)
        # And copies each sensor of a component with all its arguments, one of which is beta.
        warnings.filterwarnings("ignore", ".*`owners` of .*SensorDefinition.*", dg.BetaWarning)
        found = tree.build_defs()
    return dg.Definitions.merge(found, dg.Definitions(executor=dg.in_process_executor))
