"""The rows of an export, and the bytes of its files.

The query of a table's week, the message if there are no rows, and the formats belong here. Where
files go belongs to `export_files` and `bucket_upload`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from enum import StrEnum

import polars as pl

from spine_assets.core.sql import identifier
from spine_assets.core.text import nearest
from spine_assets.core.values import csv_text
from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.views.registry import VIEWS
from spine_assets.pipelines.steps import queries
from spine_assets.pipelines.steps.engine import EngineExecutionError, StepContext


class Format(StrEnum):
    """Kinds of files, by their endings."""

    PARQUET = "parquet"
    CSV = "csv"

    @property
    def content_type(self) -> str:
        """The content type for buckets; Parquet's is registered with IANA."""
        return {
            Format.PARQUET: "application/vnd.apache.parquet",
            Format.CSV: "text/csv; charset=utf-8; header=present",
        }[self]


def table_frame(context: StepContext, table: str, columns: Sequence[str]) -> pl.DataFrame:
    """The rows of a table or view; only those of the run's week if both have weeks.

    They are sorted by all columns, so that the same rows make the same file.

    Raises:
        EngineExecutionError: there is no such table or column.
        TransientError: the lake cannot be read now.
    """
    with queries.open_database(context) as database:
        readable = database.readable()
        if table not in readable:
            raise EngineExecutionError(
                f"source.table: there is no {table!r} that this pipeline may read; "
                f"{nearest(table, sorted(readable))}"
            )
        found = readable[table]
        if unknown := [name for name in columns if name not in found]:
            raise EngineExecutionError(
                f"source.columns: {table} has no {', '.join(unknown)}; it has {', '.join(found)}"
            )
        chosen = ", ".join(identifier(name) for name in columns or found)
        weekly = context.week_ending is not None and "week_ending" in found
        condition = "WHERE week_ending = $week_ending" if weekly else ""
        values = {"week_ending": context.week_ending} if weekly else {}
        sql = f"FROM {identifier(table)} SELECT {chosen} {condition} ORDER BY ALL"
        return database.frame(sql, values)


def query_frame(context: StepContext, query: str) -> pl.DataFrame:
    """The rows of a declared query, in its own order.

    Raises:
        EngineExecutionError: the query is wrong.
        TransientError: the lake cannot be read now.
    """
    with queries.open_database(context) as database:
        return database.frame(*context.bind(query))


def no_rows_message(context: StepContext, table: str) -> str:
    """The message that an export has no rows, with what to do."""
    week = f" of the week ending {context.week_ending}" if context.week_ending else ""
    allow = "config.allow_empty: true exports only the columns"
    if not table:
        return (
            f"the query of source returned no rows (run{week or ' without a week'}); try it with "
            f"`spine query`; {allow}"
        )
    return f"{table} has no rows{week}; {_remedy(context, table)}, then run this again; {allow}"


def content_of(frame: pl.DataFrame, kind: Format) -> bytes:
    """A complete file: Parquet with the frame's types, or CSV by RFC 4180 with a header.

    CSV has whole shares as integers, dates as YYYY-MM-DD and an empty field for null.
    """
    if kind is Format.CSV:
        return csv_text(frame.columns, frame.iter_rows(), line_end="\r\n").encode()
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _remedy(context: StepContext, table: str) -> str:
    """The command that makes rows of a table."""
    ours = {item.name for item in TABLES}
    views = {name for view in VIEWS for name in (view.name, view.every_week)}
    if table not in ours | views:
        return (
            "the step that makes it made none; if that is possible, give this step "
            "`when: {step_id: ..., rows: '> 0'}`, or"
        )
    if context.week_ending is None:
        return "`spine backfill --missing` builds what was delivered"
    build = f"`spine backfill {context.week_ending}` builds it"
    shown = "" if table in ours else ", `spine status` shows whether the week is complete"
    return build + shown
