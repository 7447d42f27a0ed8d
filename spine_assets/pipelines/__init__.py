"""Pipelines declared in YAML, without Dagster, and what authors of engines and functions import.

`yaml` has the schema of a declaration and its validation, `steps` the work of a step and `engines`.
`spine_assets.orchestration.components` turns pipelines into Dagster definitions. The names below
are the interface for engines and functions; import them from here.
"""

from spine_assets.pipelines.steps.engine import (
    ActionEngine,
    EngineExecutionError,
    Nothing,
    Parts,
    Sql,
    StepContext,
    StepPart,
    StepResult,
    TableEngine,
    TransientError,
    Work,
)

__all__ = [
    "ActionEngine",
    "EngineExecutionError",
    "Nothing",
    "Parts",
    "Sql",
    "StepContext",
    "StepPart",
    "StepResult",
    "TableEngine",
    "TransientError",
    "Work",
]
