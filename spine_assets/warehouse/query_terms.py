"""What a query names: tables, and the texts that it compares with columns, by DuckDB's own parser.

Belongs here: reading a statement. Does not belong here: what the found terms mean for a person
(`cli.nothing_found`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import duckdb

from spine_assets.warehouse.query_result_file import without_end

_IDENTIFIER = duckdb.token_type.identifier


@dataclass(frozen=True)
class QueryTerms:
    """Names and comparisons of one SELECT, in lower case where SQL does not tell cases apart.

    Attributes:
        tables: Tables, views and table functions that it reads.
        compared: By column: texts that it must equal, alone or as one of a list.
    """

    tables: frozenset[str]
    compared: dict[str, frozenset[str]]


def terms_of(connection: duckdb.DuckDBPyConnection, sql: str) -> QueryTerms | None:
    """The terms of a statement; None where DuckDB cannot describe it."""
    try:
        ((text,),) = connection.execute("SELECT json_serialize_sql($1)", [sql]).fetchall()
    except duckdb.Error:
        return None
    found = json.loads(text)
    if found["error"]:
        return None
    tables: set[str] = set()
    compared: dict[str, set[str]] = {}
    for node in _nodes(found["statements"]):
        if node.get("type") == "BASE_TABLE":
            tables.add(node["table_name"].casefold())
        elif node.get("type") == "TABLE_FUNCTION":
            tables.add(node["function"]["function_name"].casefold())
        for column, value in _comparisons(node):
            compared.setdefault(column, set()).add(value)
    texts = {column: frozenset(values) for column, values in compared.items()}
    return QueryTerms(frozenset(tables), texts)


def with_table(sql: str, table: str, other: str) -> str:
    """A statement with the name of a table replaced where it is an identifier."""
    text, changed, at = sql.encode(), b"", 0
    tokens = [*duckdb.tokenize(sql), (len(text), None)]
    for (place, kind), (end, _) in pairwise(tokens):  # places are counted in bytes
        name = text[place:end].strip()
        if kind == _IDENTIFIER and name.lower() == table.encode():
            changed += text[at:place] + other.encode()
            at = place + len(name)
    return (changed + text[at:]).decode()


def count_rows(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """How many rows a query has; none where it is wrong."""
    try:
        ((rows,),) = connection.sql(without_end(sql)).aggregate("count(*)").fetchall()
    except duckdb.Error:
        return 0
    return int(rows)


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """All objects of a parsed statement, but those below a NOT."""
    if isinstance(value, list):
        for item in value:
            yield from _nodes(item)
    elif isinstance(value, dict):
        if value.get("type") == "OPERATOR_NOT":
            return
        yield value
        for item in value.values():
            yield from _nodes(item)


def _comparisons(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Column and text of `column = 'text'`, also turned round, and of `column IN ('text', ...)`."""
    if node.get("type") == "COMPARE_EQUAL" and "left" in node:
        sides = [(node["left"], node["right"]), (node["right"], node["left"])]
    elif node.get("type") == "COMPARE_IN" and node.get("children"):
        column, *values = node["children"]
        sides = [(column, value) for value in values]
    else:
        return
    for column, value in sides:
        text = _text(value)
        if isinstance(column, dict) and column.get("type") == "COLUMN_REF" and text is not None:
            yield column["column_names"][-1].casefold(), text


def _text(node: Any) -> str | None:
    """A constant text, also one that is cast, as `DATE '2025-11-21'` is."""
    if not isinstance(node, dict):
        return None
    if node.get("type") == "OPERATOR_CAST":
        return _text(node.get("child"))
    literal = node.get("literal") if node.get("type") == "VALUE_CONSTANT" else None
    if isinstance(literal, dict) and literal.get("kind") == "STRING":
        return str(literal["text"])
    return None
