"""`duckdb.sql`: a query over the warehouse into a table."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl
from pydantic import Field

from spine_assets.pipelines import Nothing, Parts, Sql, StepPart, TableEngine, Work
from spine_assets.pipelines.steps.queries import open_database, query_problems
from spine_assets.pipelines.yaml.sql_inspection import tables_read
from spine_assets.pipelines.yaml.table_model import TableDestination, destination_problems


class QuerySource(StepPart):
    """The query."""

    query: Sql = Field(
        description="One SELECT over tables and views. `{names}` are bound as parameters: write "
        "them without quotes, and a list as in `symbol IN {symbols}`. In a weekly pipeline, add "
        "`WHERE week_ending = {week_ending}`."
    )


class DuckDbSql(TableEngine[QuerySource, TableDestination, Nothing]):
    """A SELECT over the tables and views of the warehouse; its rows become a table's week.

    ```yaml
    step_id: top_symbols
    ps_type: duckdb.sql
    source:
      query: >
        SELECT symbol, total_volume FROM otc_symbol_summary
        WHERE week_ending = {week_ending} ORDER BY total_volume DESC LIMIT 10
    destination:
      table: top_symbols
      description: The ten symbols with the most volume.
      grain: a symbol a week
      key: [symbol]
      columns:
        - {name: symbol, type: VARCHAR, description: Ticker.}
        - {name: total_volume, type: "DECIMAL(38,6)", unit: shares, description: All venues., ge: 0}
    ```
    """

    ps_type = "duckdb.sql"
    source = QuerySource
    destination = TableDestination
    records_anomalies = False  # SQL has `checks`, whose rows are what is odd

    def problems(
        self, parts: Parts[QuerySource, TableDestination, Nothing], known: Collection[str]
    ) -> list[str]:
        """SQL that is not one SELECT; columns, key and checks that do not fit."""
        return query_problems(parts.source.query, known) + destination_problems(
            parts.destination, known
        )

    def reads(self, source: QuerySource) -> set[str]:
        """The tables of the query."""
        return tables_read(source.query)

    def frame(self, work: Work[QuerySource, TableDestination, Nothing]) -> pl.DataFrame:
        """The rows of the query, with DuckDB's exact types."""
        with open_database(work.context) as database:
            return database.frame(*work.context.bind(work.source.query))


ENGINE = DuckDbSql()
