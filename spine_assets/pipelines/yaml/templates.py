"""Templates: `{name}` in the texts of a declaration, and the values that replace it.

An unknown name is an error that lists the known ones. In SQL a value is bound as a parameter and
never becomes text. Which names exist belongs to `validation` and `pipeline`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date

import duckdb

from spine_assets.core.text import nearest

Scalar = str | int | float | bool | date
Value = Scalar | list[str] | list[int] | list[float] | None

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_IN_SQL = re.compile(rf"\{{({_NAME})\}}".encode())
_IN_TEXT = re.compile(rf"\{{\{{|\}}\}}|\{{({_NAME})\}}|[{{}}]")


class TemplateError(ValueError):
    """A template that cannot be resolved; the message has the name and the known names."""


def names_in(text: str) -> list[str]:
    """Names in a text, each once.

    Raises:
        TemplateError: a brace belongs to no name.
    """
    found: dict[str, None] = {}
    for match in _IN_TEXT.finditer(text):
        if match[1]:
            found[match[1]] = None
        elif match[0] in "{}":
            raise TemplateError(
                f"the brace at character {match.start() + 1} of {text!r} belongs to no {{name}}; "
                "write {{ or }} for a brace itself"
            )
    return list(found)


def names_in_sql(sql: str) -> list[str]:
    """Names in an SQL text, each once; other braces are DuckDB's structs.

    Raises:
        TemplateError: a name is in quotes, where SQL allows no parameter.
    """
    return list(dict.fromkeys(match[1].decode() for match in _matches(sql)))


def _matches(sql: str) -> Iterator[re.Match[bytes]]:
    """Names outside of comments; their positions are in bytes, as DuckDB counts them.

    Raises:
        TemplateError: a name is in quotes.
    """
    text = sql.encode()
    tokens = duckdb.tokenize(sql)
    for match in _IN_SQL.finditer(text):
        start, kind = max(token for token in tokens if token[0] <= match.start())
        if kind == duckdb.token_type.comment:
            continue
        if kind == duckdb.token_type.string_const or text[start : start + 1] == b'"':
            name = match[0].decode()
            raise TemplateError(
                f"{name} is in quotes; remove them: a value is bound as a parameter "
                f"and never becomes part of the SQL, as in WHERE symbol = {name}"
            )
        yield match


def require_known(names: Collection[str], known: Collection[str]) -> None:
    """Check that all names are known.

    Raises:
        TemplateError: one is not; the message has the nearest one and all known names.
    """
    for name in names:
        if name not in known:
            near = nearest(name, sorted(known))
            listed = "" if near.startswith("known") else f" known: {', '.join(sorted(known))}"
            raise TemplateError(f"there is no {{{name}}}; {near}{listed}")


def render(text: str, values: Mapping[str, Value]) -> str:
    """The text with its names replaced; dates as YYYY-MM-DD, lists with commas between.

    Raises:
        TemplateError: a name is not known or has no value here.
    """
    require_known(names_in(text), values)

    def of(match: re.Match[str]) -> str:
        return match[0][0] if match[1] is None else as_text(match[1], values[match[1]])

    return _IN_TEXT.sub(of, text)


def bound(sql: str, values: Mapping[str, Value]) -> tuple[str, dict[str, Value]]:
    """The SQL with `$name` for each `{name}`, and the parameters to bind.

    Raises:
        TemplateError: a name is not known, or is in quotes.
    """
    names = names_in_sql(sql)
    require_known(names, values)
    text, end = sql.encode(), 0
    parts: list[bytes] = []
    for match in _matches(sql):
        parts += [text[end : match.start()], b"$", match[1]]
        end = match.end()
    return b"".join([*parts, text[end:]]).decode(), {name: values[name] for name in names}


def as_text(name: str, value: Value) -> str:
    """A value as it appears in a text.

    Raises:
        TemplateError: the name has no value.
    """
    if value is None:
        raise TemplateError(f"{{{name}}} has no value in this run")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value)
