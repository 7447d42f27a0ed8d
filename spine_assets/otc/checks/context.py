"""What a check sees, and the schema check that every table has.

Belongs here: the context and Pandera. What a check answers stands in `outcome`, the checks
themselves in `raw_checks`, `delivery`, `table_checks` and `restatement_checks`.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from importlib import resources
from typing import Any

import duckdb
import polars as pl

from spine_assets.core.pandera_schema import pandera_schema
from spine_assets.core.table_schema import polars_schema
from spine_assets.core.tables import Table
from spine_assets.core.values import metadata_value
from spine_assets.lake.base import Lake, LakeError, LakeFile
from spine_assets.otc.captures.model import Capture, TierClass
from spine_assets.otc.captures.pins import Pin
from spine_assets.otc.delivery.deliveries import Unusable
from spine_assets.otc.state.frames import WeekFrames
from spine_assets.otc.state.results import CheckResult
from spine_assets.otc.state.venue_totals import VenueTotals

SAMPLE_ROWS = 20  # as many as fit a screen
_MOST_KINDS = 3  # of faults in a summary; the sample shows more

Connect = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]


@dataclass
class CheckContext:
    """All that the checks of one week may look at.

    Attributes:
        frames: Tables of the week by name; otc_raw holds the current captures only.
        files: The files that hold them, published or staged, for DuckDB to count.
        captures: All captures of the week; `new` (with their rows) were made by this run.
        unusable: Files that nothing is loaded from and that this week should name.
        pins: What persons chose for the week.
        venue_totals: Totals of the weeks before.
        in_other_weeks: Files whose content is delivered as another week too, and where.
        same_content: Files that were passed over: their content is captured from another.
    """

    week: date
    today: date
    lake: Lake
    connect: Connect
    captures: list[Capture]
    current: dict[TierClass, Capture]
    new: list[Capture]
    new_rows: list[pl.DataFrame]
    unusable: list[Unusable]
    pins: list[Pin]
    same_content: dict[str, str]
    in_other_weeks: dict[str, str]
    venue_totals: VenueTotals
    table: Table
    frames: WeekFrames
    files: Mapping[str, Sequence[LakeFile]]

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The frame of the table being checked."""
        return self.frames[self.table.name]

    def after_the_build(self) -> CheckContext:
        """The same for checks that look back, without the rows of the week."""
        return replace(self, frames=self.frames.totals_alone(), new_rows=[])

    def result(self, check: str, passed: bool, summary: str, **more: Any) -> CheckResult:
        """A result of this table and week."""
        return CheckResult(self.table.name, check, passed, summary, **more)

    def query(self, name: str, **files: Sequence[LakeFile]) -> pl.DataFrame:
        """Run `sql/<name>.sql` with file lists as bound parameters."""
        sql = (
            resources.files("spine_assets.otc.checks")
            .joinpath("sql", f"{name}.sql")
            .read_text("utf-8")
        )
        # A path is a name: what DuckDB would take for a pattern in it is escaped.
        bound = {key: [glob.escape(str(path)) for path in paths] for key, paths in files.items()}
        with self.connect() as connection:
            try:
                with self.lake.readable_by(connection):
                    cursor = connection.execute(sql, bound)
                    names = [column[0] for column in cursor.description or ()]
                    return pl.DataFrame(cursor.fetchall(), schema=names, orient="row")
            except (duckdb.IOException, duckdb.InvalidInputException) as error:
                raise LakeError(f"DuckDB cannot read the files of {self.week}: {error}") from error


def schema(context: CheckContext) -> CheckResult:
    """Validate the frame against its declaration; all faults at once."""
    return validate(context, context.frame)


def validate(context: CheckContext, frame: pl.DataFrame) -> CheckResult:
    """The schema check on a given frame of the context's table."""
    of = f"{context.table.name} of {context.week}"
    return validated(
        context.table,
        frame,
        of,
        remedy="This is a fault of the code or its declaration: report it.",
    )


def validated(table: Table, frame: pl.DataFrame, of: str, *, remedy: str) -> CheckResult:
    """A frame against its declaration, by Pandera; all faults at once.

    Args:
        table: The declaration.
        frame: What is about to be published.
        of: What it is, for people.
        remedy: What to do where it does not hold.
    """
    import pandera.errors

    facts: dict[str, Any] = {"rows": frame.height, "columns": frame.width}
    if frame.is_empty() and [*frame.schema.items()] == [*polars_schema(table).items()]:
        # Of no rows there is no more to ask, and Pandera takes 15 ms of every week to say so.
        return CheckResult(table.name, "schema", True, "no rows", facts=facts)
    # Pandera asks a frame dozens of small questions; Polars' other engine takes five times
    # as long to begin with each.
    pl.Config.set_engine_affinity("in-memory")
    try:
        pandera_schema(table, at_once=True).validate(frame)
        said = f"{frame.height:,} rows as declared"
        return CheckResult(table.name, "schema", True, said, facts=facts)
    except (pandera.errors.SchemaErrors, pandera.errors.SchemaError):
        cases = _faults(table, frame)
    return CheckResult(
        table.name,
        "schema",
        False,
        f"{len(cases)} faults in {of} ({_kinds(cases)}); nothing was published. {remedy}",
        facts=facts | {"faults": len(cases)},
        samples=cases[:SAMPLE_ROWS],
    )


def _kinds(cases: list[dict[str, Any]]) -> str:
    """The first kinds of faults, each with its column."""
    told = [f"{case.get('column') or 'rows'}: {case.get('check')}" for case in cases]
    kinds = list(dict.fromkeys(told))
    return ", ".join(kinds[:_MOST_KINDS]) + (", ..." if len(kinds) > _MOST_KINDS else "")


def _faults(table: Table, frame: pl.DataFrame) -> list[dict[str, Any]]:
    """All that is wrong with a frame that does not hold to its declaration."""
    import pandera.errors

    try:
        pandera_schema(table).validate(frame, lazy=True)
    except (pandera.errors.SchemaErrors, pandera.errors.SchemaError) as error:
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
