"""`duckdb.sql`: a query over the warehouse into a table."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pydantic import Field

from spine_assets.pipelines.steps.engine import Nothing, Part, Sql, TableEngine, Work
from spine_assets.pipelines.steps.queries import asked, query_faults
from spine_assets.pipelines.yaml.sql_inspection import tables_read
from spine_assets.pipelines.yaml.table_model import TableDestination, faults_of

if TYPE_CHECKING:
    import polars as pl


class Query(Part):
    """What is asked."""

    query: Sql = Field(
        description="One SELECT over tables and views. `{names}` are bound as parameters: write "
        "them without quotes; a list is asked by `symbol IN {symbols}`. In a weekly pipeline ask "
        "for `week_ending = {week_ending}`."
    )


class DuckDbSql(TableEngine[Query, TableDestination, Nothing]):
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
    source = Query
    destination = TableDestination

    def faults(
        self, source: Query, destination: TableDestination, config: Nothing, known: Collection[str]
    ) -> list[str]:
        """SQL that is none, or changes something; columns, key and checks that do not fit."""
        return query_faults(source.query, known) + faults_of(destination, known)

    def reads(self, source: Query) -> set[str]:
        """The tables of the query."""
        return tables_read(source.query)

    def frame(self, work: Work[Query, TableDestination, Nothing]) -> pl.DataFrame:
        """The rows of the query, with DuckDB's exact types."""
        with asked(work.context) as place:
            return place.frame(*work.context.bind(work.source.query))


ENGINE = DuckDbSql()
