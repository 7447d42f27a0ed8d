"""The code location: everything under `defs/`, and the executor that `SPINE_BACKEND` names.

Runs are in one process by default, because a process per step costs several seconds per run, and
the weeks of a range share one step anyway.
"""

from __future__ import annotations

import warnings
from datetime import date
from functools import cache
from pathlib import Path

import dagster as dg

import spine_assets.defs
from spine_assets.core.settings import load_settings, using


@dg.definitions
def defs() -> dg.Definitions:
    """All definitions of the project.

    The tree is made from the module and not by `load_from_defs_folder`, which takes the name of the
    location from pyproject.toml and warns if the code is loaded by another name, as in
    `dagster asset materialize -m spine_assets.definitions`.
    """
    settings = load_settings()
    with using(settings):  # read once, not for each asset
        return _loaded(settings.backend, settings.first_week)


@cache
def _loaded(backend: str, first_week: date) -> dg.Definitions:
    """Made once per process: one `dagster asset materialize` loads them six times.

    Celery distributes runs and not steps, so a run on a worker is in one process.
    """
    executor = dg.multiprocess_executor if backend == "multiprocess" else dg.in_process_executor
    tree = dg.ComponentTree.from_module(
        defs_module=spine_assets.defs, project_root=Path(__file__).parent.parent
    )
    with warnings.catch_warnings():
        # Dagster's component tree calls functions that Dagster itself marks as preview.
        warnings.filterwarnings("ignore", ".*load_definitions_from_module.*", dg.PreviewWarning)
        # dagster 1.13.27 adds code references, which it marks as beta, to what YAML declares.
        warnings.filterwarnings("ignore", ".*Code[Rr]eference.* in beta", dg.BetaWarning)
        # It also copies each sensor of a component with all arguments, one of which is beta.
        warnings.filterwarnings("ignore", ".*`owners` of .*SensorDefinition.*", dg.BetaWarning)
        found = dg.Definitions.merge(tree.build_defs(), dg.Definitions(executor=executor))
        found.get_repository_def()  # where the sensors are copied once more; it is kept
    return found
