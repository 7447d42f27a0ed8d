"""What an SQL text of a declaration reads, taken apart by DuckDB without running it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

import duckdb

from spine_assets.declarative.values import TemplateError, names_in_sql, require_known

_TAKEN_APART = "SELECT json_serialize_sql($sql)"
_MACRO = "_in"
"""Ending of the macro of a view that takes the first and the last week."""


def sql_faults(sql: str, known: Collection[str]) -> list[str]:
    """What is wrong with a SELECT, as far as can be told without its tables."""
    try:
        require_known(names_in_sql(sql), known)
        statements = duckdb.extract_statements(without_names(sql))
    except (TemplateError, duckdb.Error) as error:
        return [str(error)]
    if len(statements) != 1 or statements[0].type is not duckdb.StatementType.SELECT:
        return ["it must be one SELECT, and nothing else"]
    told = _taken_apart(sql)
    if told["error"]:
        return [f"it must be one SELECT that DuckDB can take apart: {told['error_message']}"]
    return []


def tables_read(sql: str) -> set[str]:
    """Names of the tables and views that a SELECT reads, also by the macros of views.

    A name of a WITH clause is left out, unless it is written like one of our tables: better one
    too many is looked for than one too few.
    """
    tree = _taken_apart(sql)
    named, within = set[str](), set[str]()
    for node in _nodes(tree):
        if node.get("type") == "BASE_TABLE":
            named.add(node["table_name"])
        elif node.get("type") == "TABLE_FUNCTION":
            function = str(node["function"].get("function_name", ""))
            if function.startswith("otc_") and function.endswith(_MACRO):
                named.add(function.removesuffix(_MACRO))
        if "cte_map" in node:
            within |= {item["key"] for item in node["cte_map"]["map"]}
    return {name for name in named if name not in within or name.startswith("otc_")}


def without_names(sql: str) -> str:
    """An SQL text with NULL for each name, which DuckDB can take apart without values."""
    for name in names_in_sql(sql):
        sql = sql.replace(f"{{{name}}}", "NULL")
    return sql


def _taken_apart(sql: str) -> dict[str, Any]:
    with duckdb.connect(":memory:") as connection:
        (text,) = connection.execute(_TAKEN_APART, {"sql": without_names(sql)}).fetchone() or ("",)
    found: dict[str, Any] = json.loads(text)
    return found


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for held in tree.values():
            yield from _nodes(held)
    elif isinstance(tree, list):
        for held in tree:
            yield from _nodes(held)
