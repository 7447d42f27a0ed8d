"""Answers of queries as Parquet files: streamed, exact, and there only when they are whole."""

from __future__ import annotations

import glob
from pathlib import Path

import duckdb

from spine_assets.core.sql import identifier
from spine_assets.lake.atomic_write import replacing
from spine_assets.warehouse.connection import asked_again

_WIDE = ("HUGEINT", "UHUGEINT")  # sums of counts are such


def write_answer(connection: duckdb.DuckDBPyConnection, sql: str, path: Path) -> int:
    """Write the rows of a query to a Parquet file, which appears when it is whole; how many.

    The query must be one statement that reads (`warehouse.is_select`).
    Rows are streamed, so an answer may be larger than memory. Types are kept: whole numbers
    wider than 64 bits, which Parquet does not know, are written as DECIMAL(38,0).

    Raises:
        duckdb.Error: the query is wrong, or a number is too great.
        OSError: the file cannot be written.
    """

    def write(staged: Path) -> int:
        answered = connection.sql(_without_end(sql))
        types = zip(answered.columns, answered.types, strict=True)
        if nested := [name for name, kind in types if _is_nested_wide(str(kind))]:
            raise duckdb.ConversionException(
                f"{', '.join(nested)} holds HUGEINT numbers, which Parquet would round; "
                "cast them to DECIMAL(38,0) in the query"
            )
        answered.project(without_wide(answered)).write_parquet(str(staged), compression="zstd")
        counted = connection.execute(
            "SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata($1)",
            [glob.escape(str(staged))],
        ).fetchone()
        return int(counted[0]) if counted else 0

    with replacing(path) as staged:
        return asked_again(lambda: write(staged))


def _without_end(sql: str) -> str:
    """A statement without semicolons and comments at its end: it becomes a part of another."""
    text = sql.encode()
    told = [at for at, kind in duckdb.tokenize(sql) if kind != duckdb.token_type.comment]
    while told and text[told[-1] : told[-1] + 1] == b";":  # places are counted in bytes
        text = text[: told.pop()]
    return text.decode()


def without_wide(answered: duckdb.DuckDBPyRelation) -> str:
    """All columns of an answer for `project`, wide whole numbers as decimals of 38 digits.

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
