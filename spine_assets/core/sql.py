"""SQL that cannot take bound parameters: quoting, and the DDL of a table from its columns.

Does not belong here: queries, which stand in `.sql` files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from spine_assets.core.tables import Column


def identifier(name: str) -> str:
    """A name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text quoted for SQL, where no parameter can be bound."""
    return "'" + text.replace("'", "''") + "'"


def table_ddl(
    schema: str,
    name: str,
    columns: Sequence[Column],
    grain: str,
    compressions: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """Statements that make an empty table, with grain and meanings of columns as comments.

    A column without a compression of its own is stored as DuckDB chooses.
    """
    table = f"{identifier(schema)}.{identifier(name)}"
    declared = (
        f"{identifier(c.name)} {c.type.value}{'' if c.nullable else ' NOT NULL'}"
        + (f" USING COMPRESSION {compressions[c.name]}" if c.name in compressions else "")
        for c in columns
    )
    types = ", ".join(declared)
    return [
        f"CREATE OR REPLACE TABLE {table} ({types})",
        f"COMMENT ON TABLE {table} IS {literal(grain)}",
        *column_comments(table, columns),
    ]


def column_comments(owner: str, columns: Iterable[Column]) -> list[str]:
    """Statements that comment the columns of a table or view, whose name is quoted already."""
    return [
        f"COMMENT ON COLUMN {owner}.{identifier(c.name)} IS "
        + literal(f"{c.description} ({c.unit})" if c.unit else c.description)
        for c in columns
    ]


def without_rows(columns: Iterable[Column]) -> str:
    """A SELECT of these columns and no row."""
    nulls = ", ".join(f"NULL::{c.type.value} AS {identifier(c.name)}" for c in columns)
    return f"SELECT {nulls} WHERE false"
