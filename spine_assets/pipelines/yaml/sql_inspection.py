"""What an SQL text of a declaration reads, taken apart by DuckDB without running it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

import duckdb

from spine_assets.pipelines.yaml.templates import TemplateError, names_in_sql, require_known

_TAKEN_APART = "SELECT json_serialize_sql($sql)"
_MACRO = "_in"
"""Ending of the macro of a view that takes the first and the last week."""

_PLAIN = re.compile(r"\w+")
# They take the name of a table, or a whole query, as a text: what is read cannot be told.
_HIDING = {"query", "query_table"}


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
    hiding = sorted({name for node in _nodes(told) if (name := _function(node)) in _HIDING})
    return [f"{name}() hides what is read; name the table itself after FROM" for name in hiding]


def tables_read(sql: str) -> set[str]:
    """Names of the tables and views that a SELECT reads, also by the macros of views.

    Names of WITH clauses are told from tables where they hold: a clause that is named like the
    table it reads hides that table from what follows, not from itself. Names are in lower case,
    as DuckDB takes any case for the same.
    """
    return set(_tables(_taken_apart(sql), frozenset()))


def _tables(tree: Any, within: frozenset[str]) -> Iterator[str]:
    """Tables of a part of a query, within which some names are those of WITH clauses."""
    if isinstance(tree, list):
        for held in tree:
            yield from _tables(held, within)
    if not isinstance(tree, dict):
        return
    if tree.get("type") == "RECURSIVE_CTE_NODE":
        within |= {_folded(tree["cte_name"])}
    for item in tree.get("cte_map", {}).get("map", ()):
        yield from _tables(item["value"], within)
        within |= {_folded(item["key"])}
    if tree.get("type") == "BASE_TABLE" and _folded(tree["table_name"]) not in within:
        yield _folded(tree["table_name"])
    function = _function(tree)
    if function.startswith("otc_") and function.endswith(_MACRO):
        yield f"{function.removesuffix(_MACRO)}_all"  # as a macro, it has incomplete weeks too
    for name, held in tree.items():
        if name != "cte_map":
            yield from _tables(held, within)


def _function(node: dict[str, Any]) -> str:
    """The table function that a node calls; empty where it calls none."""
    if node.get("type") != "TABLE_FUNCTION":
        return ""
    return str(node["function"].get("function_name", "")).casefold()


def _folded(name: str) -> str:
    return name.casefold() if _PLAIN.fullmatch(name) else name


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
