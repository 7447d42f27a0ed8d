"""The tables that an SQL text reads: DuckDB parses it and does not run it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

import duckdb

from spine_assets.pipelines.yaml.templates import TemplateError, names_in_sql, require_known
from spine_assets.warehouse.reading import called, nodes, problem_of

_PARSE = "SELECT json_serialize_sql($sql)"
_MACRO = "_in"
"""Ending of the macro of a view that takes the first and the last week."""

_PLAIN = re.compile(r"\w+")
# They take the name of a table, or a query, as a text, so that the tables read are not known.
_HIDING = {"query", "query_table"}


def sql_problems(sql: str, known: Collection[str]) -> list[str]:
    """Problems of a SELECT that can be found without its tables."""
    try:
        require_known(names_in_sql(sql), known)
        statements = duckdb.extract_statements(without_names(sql))
        problem = problem_of(without_names(sql))
    except (TemplateError, duckdb.Error) as error:
        return [str(error)]
    if len(statements) != 1 or statements[0].type is not duckdb.StatementType.SELECT:
        return ["it must be one SELECT, and nothing else"]
    hiding = sorted({name for node in nodes(_parsed(sql)) if (name := called(node)) in _HIDING})
    if hiding:
        return [f"{name}() hides what is read; name the table itself after FROM" for name in hiding]
    return [] if problem is None else [problem]


def tables_read(sql: str) -> set[str]:
    """Names of the tables and views that a SELECT reads, also by the macros of views.

    A WITH clause hides a table of the same name from what follows, but not from itself. Names are
    in lower case, as DuckDB ignores case.
    """
    return set(_tables(_parsed(sql), frozenset()))


def _tables(tree: Any, within: frozenset[str]) -> Iterator[str]:
    """Tables of a part of a query; names in `within` are those of WITH clauses."""
    if isinstance(tree, list):
        for item in tree:
            yield from _tables(item, within)
    if not isinstance(tree, dict):
        return
    if tree.get("type") == "RECURSIVE_CTE_NODE":
        within |= {_folded(tree["cte_name"])}
    for item in tree.get("cte_map", {}).get("map", ()):
        yield from _tables(item["value"], within)
        within |= {_folded(item["key"])}
    if tree.get("type") == "BASE_TABLE" and _folded(tree["table_name"]) not in within:
        yield _folded(tree["table_name"])
    function = called(tree)
    if function.startswith("otc_") and function.endswith(_MACRO):
        yield f"{function.removesuffix(_MACRO)}_all"  # as a macro, it has incomplete weeks too
    for name, value in tree.items():
        if name != "cte_map":
            yield from _tables(value, within)


def _folded(name: str) -> str:
    return name.casefold() if _PLAIN.fullmatch(name) else name


def without_names(sql: str) -> str:
    """An SQL text with NULL for each name, which DuckDB can parse without values."""
    for name in names_in_sql(sql):
        sql = sql.replace(f"{{{name}}}", "NULL")
    return sql


def _parsed(sql: str) -> dict[str, Any]:
    with duckdb.connect(":memory:") as connection:
        ((text,),) = connection.execute(_PARSE, {"sql": without_names(sql)}).fetchall()
    found: dict[str, Any] = json.loads(text)
    return found
