"""Results of queries as Parquet files: streamed, exact, and published when they are complete."""

from __future__ import annotations

import glob
from pathlib import Path

import duckdb

from spine_assets.core.sql import identifier
from spine_assets.lake.atomic_write import replacing
from spine_assets.warehouse.connection import interruptible, retry_replaced

_WIDE = ("HUGEINT", "UHUGEINT")  # types of sums of counts


def write_answer(connection: duckdb.DuckDBPyConnection, sql: str, path: Path) -> int:
    """Write the rows of a query to a Parquet file and return their number.

    The query must be one statement that reads (`reading.problem_of`).
    Rows are streamed, so a result may be larger than memory. Types are kept: whole numbers
    wider than 64 bits, which Parquet does not know, are written as DECIMAL(38,0).

    Raises:
        duckdb.Error: the query is wrong, or a number is too great.
        OSError: the file cannot be written.
    """

    def write(staged: Path) -> int:
        answered = connection.sql(without_end(sql))
        types = zip(answered.columns, answered.types, strict=True)
        if nested := [name for name, kind in types if _is_nested_wide(str(kind))]:
            raise duckdb.ConversionException(
                f"{', '.join(nested)} holds HUGEINT numbers, which Parquet would round; "
                "cast them to DECIMAL(38,0) in the query"
            )
        answered.project(without_wide(answered)).write_parquet(str(staged), compression="zstd")
        ((rows,),) = connection.execute(
            "SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata($1)",
            [glob.escape(str(staged))],
        ).fetchall()
        return int(rows)

    with replacing(path) as staged:
        return interruptible(connection, lambda: retry_replaced(lambda: write(staged)))


def without_end(sql: str) -> str:
    """A statement without semicolons and comments at its end: it becomes a part of another."""
    text = sql.encode()
    places = [at for at, kind in duckdb.tokenize(sql) if kind != duckdb.token_type.comment]
    while places and text[places[-1] : places[-1] + 1] == b";":  # places are counted in bytes
        text = text[: places.pop()]
    return text.decode()


def without_wide(answered: duckdb.DuckDBPyRelation) -> str:
    """All columns of a result for `project`, wide whole numbers as decimals of 38 digits.

    A number that has more is an error of DuckDB; Arrow and Polars would round it.
    """
    return ", ".join(
        f"{identifier(name)}::DECIMAL(38,0) AS {identifier(name)}"
        if str(kind) in _WIDE
        else identifier(name)
        for name, kind in zip(answered.columns, answered.types, strict=True)
    )


def _is_nested_wide(kind: str) -> bool:
    return kind not in _WIDE and any(wide in kind for wide in _WIDE)
