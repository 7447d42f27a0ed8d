"""The code location: everything under `defs/`, run in one process unless `SPINE_BACKEND` says else.

In-process is the default because a step process of its own costs several seconds a run;
weeks of a range already share one step.
"""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path

import dagster as dg

import spine_assets.defs
from spine_assets.core.settings import load_settings


@dg.definitions
def defs() -> dg.Definitions:
    """All definitions of the project.

    The tree is made from the module and not by `load_from_defs_folder`, which takes the
    location's name from pyproject.toml and warns wherever the same code is loaded by
    another name, as `dagster asset materialize -m spine_assets.definitions` does.
    """
    return _loaded(load_settings().backend)


@cache
def _loaded(backend: str) -> dg.Definitions:
    """Made once a process: one `dagster asset materialize` asks for them six times.

    Celery spreads runs, not steps: on a worker a run is in one process.
    """
    executor = dg.multiprocess_executor if backend == "multiprocess" else dg.in_process_executor
    tree = dg.ComponentTree.from_module(
        defs_module=spine_assets.defs, project_root=Path(__file__).parent.parent
    )
    with warnings.catch_warnings():
        # Dagster's component tree calls functions that Dagster itself marks as preview.
        warnings.filterwarnings("ignore", ".*load_definitions_from_module.*", dg.PreviewWarning)
        # dagster 1.13.27 gives what YAML declares a code reference, which it calls beta itself.
        warnings.filterwarnings("ignore", ".*Code[Rr]eference.* in beta", dg.BetaWarning)
        # And copies each sensor of a component with all its arguments, one of which is beta.
        warnings.filterwarnings("ignore", ".*`owners` of .*SensorDefinition.*", dg.BetaWarning)
        found = tree.build_defs()
    return dg.Definitions.merge(found, dg.Definitions(executor=executor))
