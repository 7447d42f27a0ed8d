"""Templates: `{name}` in the texts of a declaration, and the values that take their place.

Strict: a name that is not known is an error that lists the known ones. In SQL a value is bound as
a parameter and never becomes text. Does not belong here: which names there are (`pipeline`).
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
    """A template that cannot be resolved; the message says which name and what is known."""


def names_in(text: str) -> list[str]:
    """Names that a text asks for, each once.

    Raises:
        TemplateError: a brace that belongs to no name.
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
    """Names that an SQL text asks for, each once; other braces are DuckDB's structs.

    Raises:
        TemplateError: a name stands where SQL takes no parameter: in a quoted text or name.
    """
    return list(dict.fromkeys(match[1].decode() for match in _asked(sql)))


def _asked(sql: str) -> Iterator[re.Match[bytes]]:
    """Names outside of comments, with their places in bytes, as DuckDB counts them.

    Raises:
        TemplateError: a name stands in quotes.
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
                f"{name} stands in quotes; take them away: a value is bound as a parameter "
                f"and never becomes part of the SQL, as in WHERE symbol = {name}"
            )
        yield match


def require_known(names: Collection[str], known: Collection[str]) -> None:
    """All names are known.

    Raises:
        TemplateError: names the first that is not, the nearest one and all that are known.
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
        TemplateError: a name is not known, or stands in quotes.
    """
    names = names_in_sql(sql)
    require_known(names, values)
    text, end = sql.encode(), 0
    parts: list[bytes] = []
    for match in _asked(sql):
        parts += [text[end : match.start()], b"$", match[1]]
        end = match.end()
    return b"".join([*parts, text[end:]]).decode(), {name: values[name] for name in names}


def as_text(name: str, value: Value) -> str:
    """A value within a text.

    Raises:
        TemplateError: it has none.
    """
    if value is None:
        raise TemplateError(f"{{{name}}} has no value in this run")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value)
