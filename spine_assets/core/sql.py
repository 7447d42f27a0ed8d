"""Quoting for SQL that cannot take bound parameters: DDL and names of columns.

Does not belong here: statements themselves, which stand in `.sql` files.
"""

from __future__ import annotations


def identifier(name: str) -> str:
    """A name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text quoted for SQL, where no parameter can be bound."""
    return "'" + text.replace("'", "''") + "'"
