"""What an engine is: the typed work behind a `ps_type`, and what it is told and answers.

An engine runs in a process of its own, which is ended when the step's time is over. So it may be
ended at any moment: what it writes must appear whole or not at all. Does not belong here: the
engines (`engines/`), and how they are found (`finding`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from spine_assets.pipelines.yaml.templates import Value, bound

if TYPE_CHECKING:
    import polars as pl

    from spine_assets.pipelines.steps.workspace import Place


class EngineExecutionError(Exception):
    """An engine could not do its work; trying again would meet the same."""


class TransientError(Exception):
    """An engine could not do its work now; the same may work a little later."""


@dataclass(frozen=True)
class SqlText:
    """Marks a text as SQL: its names are bound as parameters and not replaced."""


Sql = Annotated[str, SqlText()]
"""A field of SQL; give it to `StepContext.bind`."""


class Part(BaseModel):
    """The `source`, `destination` or `config` of an engine; other keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Part):
    """An engine that takes none."""


@dataclass(frozen=True)
class StepContext:
    """What an engine is told of its run; all of it can be passed to another process.

    Attributes:
        pipeline_logging_id: Dagster's run id.
        run_date: The day the run is about, by default the day it was started (UTC).
        week_ending: The partition; None where the pipeline has none.
        pipeline_status: RUNNING, or FAILED in a step that runs after a failure.
        values: What templates may name.
        place: Where tables are read and files written.
        attempt: 1 for the first.
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
    place: Place
    attempt: int = 1

    def bind(self, sql: str) -> tuple[str, dict[str, Value]]:
        """A field of SQL as DuckDB takes it, with the parameters to bind."""
        return bound(sql, self.values)


@dataclass(frozen=True)
class StepResult:
    """What a step has done.

    Attributes:
        rows_processed: Rows written, sent or read; None where rows mean nothing.
        result: Figures and names for the step's log; must be JSON.
        files: What was written, for links in the UI.
        said: Lines for the run's log.
    """

    rows_processed: int | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Path | str, ...] = ()
    said: tuple[str, ...] = ()


S = TypeVar("S", bound=BaseModel)
D = TypeVar("D", bound=BaseModel)
C = TypeVar("C", bound=BaseModel)


@dataclass(frozen=True)
class Work(Generic[S, D, C]):
    """One execution of a step: its parts with all names replaced (but those of SQL)."""

    source: S
    destination: D
    config: C
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

    def faults(self, source: S, destination: D, config: C, known: Collection[str]) -> list[str]:
        """What is wrong with a step that its schema does not say, when it is loaded.

        Args:
            source: As declared, with its names.
            destination: The same.
            config: The same.
            known: Names that templates may ask for; `tenant_id` is among them where the
                pipeline has tenants.
        """
        return []


class ActionEngine(Engine[S, D, C]):
    """An engine that acts: fetches, exports, tells. Its steps become ops."""

    def reads(self, source: S) -> set[str]:
        """Names of the tables and views that it reads: their week must be there."""
        return set()

    @abstractmethod
    def act(self, work: Work[S, D, C]) -> StepResult:
        """Do it.

        Raises:
            EngineExecutionError: it cannot be done; says what to do.
            TransientError: it cannot be done now.
        """


class TableEngine(Engine[S, D, C]):
    """An engine that makes the rows of a table. Its steps become assets."""

    @abstractmethod
    def reads(self, source: S) -> set[str]:
        """Names of the tables and views that it reads."""

    @abstractmethod
    def frame(self, work: Work[S, D, C]) -> pl.DataFrame:
        """The rows of the run's week, or of the whole table.

        Raises:
            EngineExecutionError: they cannot be made; says what to do.
            TransientError: they cannot be made now.
        """
