"""What `spine shell` has at hand: settings, lake, DuckDB, Dagster, and a few short ways in."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import polars as pl

from spine_assets.cli.errors import open_lake
from spine_assets.core.settings import load_settings
from spine_assets.core.weeks import parse_week
from spine_assets.lake.base import Lake
from spine_assets.otc.delivery.scan import scan
from spine_assets.otc.past.as_of import table_now
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse import run_tables
from spine_assets.warehouse.connection import connect
from spine_assets.warehouse.core_tables import CORE_TABLES
from spine_assets.warehouse.query_result_file import write_answer
from spine_assets.warehouse.reading import problem_of

AT_HAND = {
    "settings": "the SPINE_* settings",
    "lake": "the Parquet tables: lake.weeks(table), lake.files(table, week)",
    "warehouse": "a private DuckDB with the views of every table",
    "sql(text)": "the answer of a query as a Polars frame, also of x_meta_... and core_...",
    "table(name, week)": "a table's week as a Polars frame; without a week the newest",
    "weeks": "weeks that are captured, oldest first",
    "landing": "the files in the landing folder (scanned at first use)",
    "instance": "Dagster's instance (opened when first named)",
    "pl, duckdb, date": "Polars, DuckDB, datetime.date",
}


class Namespace(dict[str, Any]):
    """Names of a session; some are made when they are first named, because they cost time."""

    def __init__(self, values: dict[str, Any], later: dict[str, Callable[[], Any]]) -> None:
        super().__init__(values)
        self._later = later

    def __missing__(self, name: str) -> Any:
        self[name] = self._later[name]()
        return self[name]


@contextmanager
def opened() -> Iterator[Namespace]:
    """A namespace; what it opened is closed at the end."""
    from spine_assets.orchestration.history import (  # noqa: PLC0415 - Dagster is slow to import
        core_frames,
        open_instance,
        run_log_frames,
    )

    settings = load_settings()
    lake = open_lake()
    with ExitStack() as stack:
        warehouse = stack.enter_context(connect(lake, TABLES))
        values = {
            "settings": settings,
            "lake": lake,
            "warehouse": warehouse,
            "sql": _asker(
                warehouse,
                lambda tables: run_log_frames.read(namespace["instance"], tables=tables),
                lambda tables: core_frames.read(namespace["instance"], tables),
            ),
            "table": _reader(lake),
            "weeks": lake.weeks(TABLES[0].name),
            "pl": pl,
            "duckdb": duckdb,
            "date": date,
        }
        later = {
            "landing": lambda: scan(settings.landing_path, settings.landing_index_path),
            "instance": lambda: stack.enter_context(open_instance()),
        }
        namespace = Namespace(values, later)
        try:
            yield namespace
        finally:
            namespace.clear()  # relations of DuckDB must go before it does


def _asker(
    warehouse: duckdb.DuckDBPyConnection,
    read_log: Callable[[Sequence[run_tables.LogTable]], run_tables.RunLog],
    read_core: Callable[[Sequence[run_tables.LogTable]], run_tables.RunLog],
) -> Callable[[str], pl.DataFrame]:
    def sql(text: str) -> pl.DataFrame:
        """The answer of a query as a Polars frame; whole numbers beyond 64 bits are decimals.

        `x_meta_pipeline_runs` and `x_meta_step_logs` hold the newest 1,000 runs.

        It goes through a Parquet file: after DuckDB 2.0.0 has handed rows to Polars directly,
        it ends every process with a page of warnings about leaks.
        """
        if problem := problem_of(text):
            raise ValueError(f"sql() only reads: {problem}; for others: warehouse.execute()")
        # A connection whose result somebody still reads answers nothing else; a cursor does.
        with warehouse.cursor() as question, TemporaryDirectory() as folder:
            for tables, read in ((run_tables.LOG_TABLES, read_log), (CORE_TABLES, read_core)):
                if named := run_tables.named_in(text, tables):
                    log = read(named)
                    run_tables.create(question, named)
                    run_tables.append(question, log)
            path = Path(folder) / "answer.parquet"
            write_answer(question, text, path)
            return pl.read_parquet(path, glob=False, memory_map=False)

    return sql


def _reader(lake: Lake) -> Callable[..., pl.DataFrame]:
    def table(name: str, week: date | str | None = None) -> pl.DataFrame:
        """A week of a table as stored in the lake; of otc_raw, the current captures."""
        known = [declared.name for declared in TABLES]
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
            raise LookupError(f"there is no table {name}; {meant}")
        if week is None:
            values = lake.weeks(name)
            if not values:
                raise LookupError(f"{name} holds no week yet")
            week = values[-1]
        return table_now(lake, name, parse_week(str(week)))

    return table
