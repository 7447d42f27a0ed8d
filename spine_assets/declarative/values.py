"""Templates: `{name}` in the texts of a declaration, and the values that take their place.

Strict: a name that is not known is an error that lists the known ones. In SQL a value is bound as
a parameter and never becomes text. Does not belong here: which names there are (`pipeline`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date

import duckdb

from spine_assets.pipelines import nearest

Scalar = str | int | float | bool | date
Value = Scalar | list[str] | list[int] | list[float] | None

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_IN_SQL = re.compile(rf"\{{({_NAME})\}}")
_IN_TEXT = re.compile(rf"\{{\{{|\}}\}}|\{{({_NAME})\}}|[{{}}]")
_UNBOUND = {duckdb.token_type.string_const, duckdb.token_type.comment}


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
    tokens = duckdb.tokenize(sql)
    starts = [start for start, _ in tokens] + [len(sql)]
    found: dict[str, None] = {}
    for match in _IN_SQL.finditer(sql):
        within = max(number for number, start in enumerate(starts) if start <= match.start())
        kind = tokens[within][1] if within < len(tokens) else None
        if kind is duckdb.token_type.comment:
            continue
        begins = sql[starts[within]]
        if kind in _UNBOUND or begins == '"':
            raise TemplateError(
                f"{match[0]} stands in quotes; take them away: a value is bound as a parameter "
                f"and never becomes part of the SQL, as in WHERE symbol = {match[0]}"
            )
        found[match[1]] = None
    return list(found)


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
    commented = {  # a comment may speak of a name; it takes no parameter
        span
        for span in (match.span() for match in _IN_SQL.finditer(sql))
        if sql[span[0] + 1 : span[1] - 1] not in names
    }
    text = _IN_SQL.sub(lambda match: match[0] if match.span() in commented else f"${match[1]}", sql)
    return text, {name: values[name] for name in names}


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
