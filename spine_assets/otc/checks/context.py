"""What a check may look at, and the schema check that every table has.

Does not belong here: the other checks (`checks.raw`, `delivery`, `tables`, `restatements`), and
their results (`state.results`).
"""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import pandera.errors
import polars as pl

from spine_assets.core.pandera_schema import pandera_schema
from spine_assets.core.table_schema import polars_schema
from spine_assets.core.tables import Check, Table
from spine_assets.core.values import metadata_value
from spine_assets.lake.base import Lake, LakeError, LakeFile
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.current import WeekCaptures
from spine_assets.otc.captures.model import Capture
from spine_assets.otc.captures.week_evidence import KnownFiles
from spine_assets.otc.state.build_context import RunContext, WeekInputs
from spine_assets.otc.state.freshness import part_of
from spine_assets.otc.state.results import CheckResult, Severity
from spine_assets.otc.state.venue_totals import VenueTotals
from spine_assets.otc.tables import raw
from spine_assets.otc.tables.registry import TABLES

SAMPLE_ROWS = 20  # as many as fit a screen
_MOST_KINDS = 3  # of problems in a summary; the sample shows more


class ReachesOtherWeeks(Exception):
    """A check looks at another week and is not declared to: an error in the code.

    It would run before the weeks that it compares with are built, and its result would depend on
    the number of threads.
    """


@dataclass(frozen=True)
class OtherWeeks:
    """All weeks, as a check that compares them may see them.

    Attributes:
        lake: Where they are.
        venue_totals: Totals of weeks, as this run has read or built them.
        known_files: Captured files, as this run has read them.
        of_run: The weeks that this run builds, where it builds several.
    """

    lake: Lake
    venue_totals: VenueTotals
    known_files: KnownFiles
    of_run: frozenset[date]


@dataclass(frozen=True)
class CheckContext:
    """All that the checks of one table's week may look at.

    What is the same for all weeks of the run is private: a check that is not declared
    `compares_weeks` sees its own week and nothing else.

    Attributes:
        inputs: What is known of the week.
        table: The table being checked.
        staged: Its file that is about to be published; None where the published one is checked.
        check: The check that runs; None before one does.
    """

    _run: RunContext
    inputs: WeekInputs
    table: Table
    staged: Path | None = None
    check: Check | None = None

    @property
    def other_weeks(self) -> OtherWeeks:
        """What earlier weeks hold, for a check that is declared `compares_weeks`.

        Raises:
            ReachesOtherWeeks: the check is not declared so.
        """
        self._require_declared("asks for other weeks")
        return OtherWeeks(
            self._run.lake, self._run.venue_totals, self._run.known_files, self._run.order.weeks
        )

    @property
    def telling_capture(self) -> Capture | None:
        """A capture of another week, which says for all of them who made their rows."""
        return self._run.provenance.beside(self._run.lake, self.week)

    @property
    def today(self) -> date:
        """The day of the run in UTC."""
        return self._run.today

    @property
    def week(self) -> date:
        """Week ending."""
        return self.inputs.week

    @property
    def known(self) -> WeekCaptures:
        """All captures and pins of the week."""
        return self.inputs.known

    @property
    def frame(self) -> pl.DataFrame:
        """The frame of the table being checked."""
        return self.inputs.frames[self.table.name]

    @cached_property
    def files(self) -> Mapping[str, Sequence[LakeFile]]:
        """The files of the week by table, published or staged, for DuckDB to count."""
        lake, current = self._run.lake, self.known.current.values()
        published: dict[str, Sequence[LakeFile]] = {
            table.name: [part_of(lake, table.name, self.week)] for table in TABLES
        }
        # The file without rows stands for a week of which every capture is retracted.
        rows = [captures.raw_path(lake, item) for item in current]
        published[raw.TABLE.name] = rows or [lake.empty_part(raw.TABLE.name)]
        return published if self.staged is None else published | {self.table.name: [self.staged]}

    def result(
        self,
        check: str,
        passed: bool,
        summary: str,
        *,
        failure: Severity = Severity.ERROR,
        **more: Any,
    ) -> CheckResult:
        """A result of this table and week; `failure` is its severity if it did not pass."""
        severity = Severity.ERROR if passed else failure
        return CheckResult(self.table.name, check, passed, summary, severity, **more)

    def query(self, name: str, **files: Sequence[LakeFile]) -> pl.DataFrame:
        """Run `sql/<name>.sql` with file lists as bound parameters.

        Raises:
            ReachesOtherWeeks: one is not of `files`, and the check is not declared to look there.
        """
        own = {path for paths in self.files.values() for path in paths}
        if not own.issuperset(path for paths in files.values() for path in paths):
            self._require_declared("queries files of other weeks")
        sql = (
            resources.files("spine_assets.otc.checks")
            .joinpath("sql", f"{name}.sql")
            .read_text("utf-8")
        )
        # A path is a name: what DuckDB would take for a pattern in it is escaped.
        bound = {key: [glob.escape(str(path)) for path in paths] for key, paths in files.items()}
        with self._run.connect() as connection:
            try:
                with self._run.lake.readable_by(connection):
                    cursor = connection.execute(sql, bound)
                    names = [column[0] for column in cursor.description or ()]
                    return pl.DataFrame(cursor.fetchall(), schema=names, orient="row")
            except (duckdb.IOException, duckdb.InvalidInputException) as error:
                raise LakeError(f"DuckDB cannot read the files of {self.week}: {error}") from error

    def _require_declared(self, deed: str) -> None:
        if self.check is None or not self.check.compares_weeks:
            name = f"check {self.check.name}" if self.check else "no check"
            raise ReachesOtherWeeks(
                f"{self.table.name}: {name} {deed} and is not declared `compares_weeks=True`"
            )


def schema(context: CheckContext) -> CheckResult:
    """Validate the frame against its declaration; all problems at once."""
    return validate(context, context.frame)


def validate(context: CheckContext, frame: pl.DataFrame) -> CheckResult:
    """The schema check on a given frame of the context's table."""
    of = f"{context.table.name} of {context.week}"
    remedy = "This is an error in the code or in the declaration: report it."
    return validated(context.table, frame, of, remedy=remedy)


def validated(table: Table, frame: pl.DataFrame, of: str, *, remedy: str) -> CheckResult:
    """A frame against its declaration, by Pandera; all problems at once.

    Args:
        table: The declaration.
        frame: What is about to be published.
        of: What it is, for people.
        remedy: What to do about problems.
    """
    facts: dict[str, Any] = {"rows": frame.height, "columns": frame.width}
    if frame.is_empty() and [*frame.schema.items()] == [*polars_schema(table).items()]:
        # No rows leave nothing to validate, and Pandera would take 15 ms of every week for it.
        return CheckResult(table.name, "schema", True, "no rows", facts=facts)
    cases = _problems(table, frame)
    if not cases:
        summary = f"{frame.height:,} rows as declared"
        return CheckResult(table.name, "schema", True, summary, facts=facts)
    return CheckResult(
        table.name,
        "schema",
        False,
        f"{len(cases)} problems in {of} ({_kinds(cases)}); nothing was published. {remedy}",
        facts=facts | {"faults": len(cases)},
        samples=cases[:SAMPLE_ROWS],
    )


def _kinds(cases: list[dict[str, Any]]) -> str:
    """The first kinds of problems, each with its column."""
    kinds = list(dict.fromkeys(f"{c.get('column') or 'rows'}: {c.get('check')}" for c in cases))
    return ", ".join(kinds[:_MOST_KINDS]) + (", ..." if len(kinds) > _MOST_KINDS else "")


def _problems(table: Table, frame: pl.DataFrame) -> list[dict[str, Any]]:
    """All that is wrong with a frame; nothing where it is as declared."""
    failures = (pandera.errors.SchemaErrors, pandera.errors.SchemaError)
    # Pandera sends a frame dozens of small queries; Polars' other engine takes five times as
    # long to begin with each.
    pl.Config.set_engine_affinity("in-memory")
    try:
        pandera_schema(table, at_once=True).validate(frame)
        return []
    except failures:
        pass
    try:
        pandera_schema(table).validate(frame, lazy=True)
    except failures as error:
        return _cases(error)
    raise AssertionError(f"{table.name}: the short and the long form of its schema disagree")


def _cases(error: Any) -> list[dict[str, Any]]:
    """Pandera's failure cases as plain rows."""
    cases = error.failure_cases
    if not isinstance(cases, pl.DataFrame):
        return [{"check": str(error.check), "failure_case": str(cases)}]
    wanted = [
        name for name in ("column", "check", "failure_case", "index") if name in cases.columns
    ]
    return [{name: str(row[name]) for name in wanted} for row in cases.iter_rows(named=True)]


def sample(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The first rows of a frame as plain values."""
    return [
        {name: metadata_value(value) for name, value in row.items()}
        for row in frame.head(SAMPLE_ROWS).iter_rows(named=True)
    ]
