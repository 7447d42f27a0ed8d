"""What an engine is: the typed work behind a `ps_type`, what it is given and what it returns.

An engine runs in a process of its own, which is killed when the step's time is over. Therefore
what it writes must appear complete or not at all. The engines themselves are in `engines/`;
`registry` finds them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from spine_assets.pipelines.steps.anomalies import Anomalies
from spine_assets.pipelines.yaml.templates import Value, bound

if TYPE_CHECKING:
    import polars as pl

    from spine_assets.pipelines.steps.workspace import Workspace


class EngineExecutionError(Exception):
    """An engine could not do its work, and a retry would fail in the same way."""


class TransientError(Exception):
    """An engine could not do its work now, and a retry may succeed."""


@dataclass(frozen=True)
class SqlText:
    """Marks a text as SQL, whose names are bound as parameters and not replaced."""


Sql = Annotated[str, SqlText()]
"""The type of a field that holds SQL; `StepContext.bind` prepares it for DuckDB."""

PARTS = ("source", "destination", "config")
"""The parts of a step, whose schemas its engine declares."""


class StepPart(BaseModel):
    """Base of the schemas of `source`, `destination` and `config`; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(StepPart):
    """The schema of a part that an engine does not use."""


@dataclass(frozen=True)
class StepContext:
    """The run that a step belongs to; it can be pickled.

    Attributes:
        pipeline_logging_id: Dagster's run id.
        run_date: The day the run is about, by default the day it was started (UTC).
        week_ending: The partition; None where the pipeline has none.
        pipeline_status: RUNNING, or FAILED in a step that runs after a failure.
        values: The values of `{names}` in templates.
        workspace: Where tables are read and files written.
        attempt: 1 for the first.
        anomalies: `anomalies.record(code, message)` records something odd without failing the step.
    """

    pipeline_id: str
    pipeline_logging_id: str
    step_id: str
    step_name: str
    run_date: date
    trigger_by: str
    tenant_id: str | None
    week_ending: date | None
    pipeline_status: str
    values: Mapping[str, Value]
    workspace: Workspace
    attempt: int = 1
    anomalies: Anomalies = field(default_factory=Anomalies)

    def bind(self, sql: str) -> tuple[str, dict[str, Value]]:
        """SQL with DuckDB's parameters instead of `{names}`, and their values."""
        return bound(sql, self.values)


@dataclass(frozen=True)
class StepResult:
    """What a step did.

    Attributes:
        rows_processed: Rows written, sent or read; None where the step has no rows.
        result: Figures and names for the step's log; must be JSON.
        files: Files or URLs that were written, for links in the UI.
        log_lines: Lines for the run's log.
    """

    rows_processed: int | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Path | str, ...] = ()
    log_lines: tuple[str, ...] = ()


S = TypeVar("S", bound=BaseModel)
D = TypeVar("D", bound=BaseModel)
C = TypeVar("C", bound=BaseModel)


@dataclass(frozen=True)
class Parts(Generic[S, D, C]):
    """The parts of a step, as its engine types them."""

    source: S
    destination: D
    config: C


@dataclass(frozen=True)
class Work(Parts[S, D, C]):
    """One execution of a step: its parts, with names replaced except in SQL, and its run."""

    context: StepContext


class Engine(ABC, Generic[S, D, C]):
    """The work behind a `ps_type`.

    Its docstring's first paragraph is its description in the reference. A subclass is an
    `ActionEngine` or a `TableEngine`.

    Attributes:
        ps_type: The name that steps give, `<family>.<what>`.
        source: The schema of the step's `source`.
        destination: The schema of its `destination`.
        config: The schema of its `config`.
    """

    ps_type: ClassVar[str]
    source: ClassVar[type[BaseModel]] = Nothing
    destination: ClassVar[type[BaseModel]] = Nothing
    config: ClassVar[type[BaseModel]] = Nothing

    def problems(self, parts: Parts[S, D, C], known: Collection[str]) -> list[str]:
        """Problems of a declared step that its schema cannot find.

        Args:
            parts: As declared, with `{names}` in their texts.
            known: Names that templates may use; `tenant_id` is among them if the pipeline has
                tenants.
        """
        return []


class ActionEngine(Engine[S, D, C]):
    """An engine that fetches, exports or notifies. Its steps become ops."""

    def reads(self, source: S) -> set[str]:
        """Names of the tables and views that the step reads; their week must be built."""
        return set()

    @abstractmethod
    def act(self, work: Work[S, D, C]) -> StepResult:
        """Do the work.

        Raises:
            EngineExecutionError: it cannot be done; the message says what to do.
            TransientError: it cannot be done now.
        """


class TableEngine(Engine[S, D, C]):
    """An engine that makes the rows of a table. Its steps become assets.

    Attributes:
        records_anomalies: Whether its tables have the check `anomalies`.
    """

    records_anomalies: ClassVar[bool] = True

    @abstractmethod
    def reads(self, source: S) -> set[str]:
        """Names of the tables and views that the step reads."""

    @abstractmethod
    def frame(self, work: Work[S, D, C]) -> pl.DataFrame:
        """The rows of the run's week, or of the whole table.

        Raises:
            EngineExecutionError: they cannot be computed; the message says what to do.
            TransientError: they cannot be computed now.
        """
