"""Whether an SQL text only reads: DuckDB parses it, and each part must be known to read.

The type of a statement does not tell: EXPLAIN ANALYZE runs what it explains, and in DuckDB 2.0 a
WITH clause of a SELECT may hold INSERT, UPDATE, DELETE or COPY. Belongs here: what is refused, and
why. Does not belong here: running it (`connection`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb

_EXPLAIN = re.compile(r"\s*EXPLAIN\b\s*(?:ANALYZE\b|\([\w\s,]*\))?(?P<explained>.*)", re.I | re.S)
_PARSE = "SELECT json_serialize_sql($sql)"
_READING = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
# Table functions that only read. Any other may write, set an option, or run a text that nobody saw.
_FUNCTIONS = re.compile(
    r"(otc|duckdb|parquet|pragma|read)_\w+|(generate|repeat|json|histogram|icu|pg)\w*|range|unnest"
    r"|glob|sniff_csv|summary|test_(all|vector)_types"
)
_UNSEEN = re.compile(r"json_execute\w*|read_duckdb")
USAGE = "give one statement that only reads, such as SELECT or FROM"


def problem_of(sql: str) -> str | None:
    """Why a text is not one statement that only reads; None where it is one.

    Raises:
        duckdb.Error: it is not SQL.
    """
    statements = duckdb.extract_statements(sql)
    if len(statements) != 1:
        return f"{USAGE}, not {len(statements)}"
    kind = statements[0].type
    if kind is duckdb.StatementType.EXPLAIN:
        explained = _EXPLAIN.fullmatch(sql)
        if explained is None:
            return f"{USAGE}; EXPLAIN must be the first word"
        return _problem_in(explained["explained"])
    if kind is not duckdb.StatementType.SELECT:
        return f"{USAGE}, not {kind.name.replace('_', ' ')}"
    return _problem_in(sql)


def _problem_in(select: str) -> str | None:
    """What in a SELECT may do more than read."""
    with duckdb.connect(":memory:") as connection:
        ((text,),) = connection.execute(_PARSE, {"sql": select}).fetchall()
    tree = json.loads(text)
    if tree["error"]:
        return f"{USAGE}: {tree['error_message']}"
    for node in nodes(tree):
        kind = str(node.get("type", ""))
        if kind.endswith("_NODE") and kind not in _READING:
            return f"{USAGE}; it holds {kind.split('_', maxsplit=1)[0]}"
        name = called(node)
        if name and (not _FUNCTIONS.fullmatch(name) or _UNSEEN.fullmatch(name)):
            return f"{USAGE}; {name}() may do more"
    return None


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """All objects of a parsed text, outer ones first."""
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from nodes(value)
    elif isinstance(tree, list):
        for item in tree:
            yield from nodes(item)


def called(node: dict[str, Any]) -> str:
    """The table function that a node calls, in lower case; empty where it calls none."""
    if node.get("type") != "TABLE_FUNCTION":
        return ""
    return str(node["function"].get("function_name", "")).casefold()
