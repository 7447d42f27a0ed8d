"""Rows as FINRA writes them: CSV or JSON, in pages of limited size.

Belongs here: the text of rows. Does not belong here: which rows (`answering`).

JSON has a row's numbers in one of three forms, as FINRA has been seen to send them: plain, as
strings, and with an exponent (`1.2345678E7`). The hidden column `dataset.FORM` decides which. A
floating-point number from 1E7 on always has an exponent there, as Java writes it.
"""

from __future__ import annotations

import polars as pl

from spine_assets.dev.finra_sim.dataset import FIELDS, FORM, SCHEMA, FieldKind
from spine_assets.dev.finra_sim.query import SimQuery

_AS_STRINGS, _WITH_EXPONENT = (0,), (1, 2)  # of the 16 forms
_FROM_1E7 = r"^\d{8}"
_BRACKETS = 2  # bytes around the rows of a JSON answer


def csv_body(rows: pl.DataFrame, query: SimQuery, most_bytes: int) -> tuple[bytes, int]:
    """CSV with a header line, and how many rows fit; text and dates quoted if the query says so."""
    names = [f'"{name}"' if query.quote else name for name in query.fields]
    header = query.delimiter.join(names) + "\n"
    fields = [_csv_field(name, quote=query.quote) for name in query.fields]
    lines = rows.select(pl.concat_str(fields, separator=query.delimiter)).to_series()
    kept = _fitting(lines, most_bytes - len(header.encode()))
    return (header + "".join(f"{line}\n" for line in kept)).encode(), len(kept)


def json_body(rows: pl.DataFrame, query: SimQuery, most_bytes: int) -> tuple[bytes, int]:
    """A JSON list of objects, and how many rows fit; blank values are null."""
    values = rows.select(FORM, *(_json_value(name).alias(name) for name in query.fields))
    values = values.with_columns(
        _respelled(values[name], values[FORM], is_float=SCHEMA[name].is_float())
        for name in query.fields
        if FIELDS[name] is FieldKind.NUMBER
    )
    members = [
        pl.concat_str(pl.lit(f'"{name}":'), pl.col(name).fill_null("null")) for name in query.fields
    ]
    objects = values.select(
        pl.concat_str(pl.lit("{"), pl.concat_str(members, separator=","), pl.lit("}"))
    ).to_series()
    kept = _fitting(objects, most_bytes - _BRACKETS)
    return f"[{','.join(kept)}]".encode(), len(kept)


def _fitting(lines: pl.Series, most_bytes: int) -> list[str]:
    """The first lines that fit, each followed by one character; at least one line."""
    ends = (lines.str.len_bytes().cast(pl.Int64) + 1).cum_sum()
    return lines.head(max(int((ends <= most_bytes).sum()), 1)).to_list()


def _number(name: str) -> pl.Expr:
    """Digits without trailing zeros: 12.5 and 7, not 12.500000 and 7.000000."""
    text = pl.col(name).cast(pl.String)
    if SCHEMA[name].is_integer():
        return text
    return text.str.strip_chars_end("0").str.strip_chars_end(".")


def _csv_field(name: str, *, quote: bool) -> pl.Expr:
    if FIELDS[name] is FieldKind.NUMBER:
        return _number(name).fill_null("")
    text = pl.col(name).cast(pl.String)
    if quote:
        text = pl.format('"{}"', text.str.replace_all('"', '""', literal=True))
    return text.fill_null("")


def _json_value(name: str) -> pl.Expr:
    if FIELDS[name] is FieldKind.NUMBER:
        return _number(name)
    text = pl.col(name).cast(pl.String)
    escaped = text.str.replace_all("\\", "\\\\", literal=True)
    escaped = escaped.str.replace_all('"', '\\"', literal=True)
    return pl.format('"{}"', escaped)


def _respelled(numbers: pl.Series, forms: pl.Series, *, is_float: bool) -> pl.Series:
    """Numbers, some as strings or with an exponent; these are few, so one by one."""
    as_string, with_exponent = forms.is_in(_AS_STRINGS), forms.is_in(_WITH_EXPONENT)
    if is_float:
        with_exponent |= numbers.str.contains(_FROM_1E7) & ~as_string
    for wanted, spell in ((as_string, '"{}"'.format), (with_exponent, _exponential)):
        places = (wanted & numbers.is_not_null()).arg_true()
        spelled = [spell(text) for text in numbers.gather(places)]
        numbers = numbers.scatter(places, spelled)
    return numbers


def _exponential(number: str) -> str:
    """As Java writes a large double: 12345678 becomes 1.2345678E7, and exactly that."""
    whole, _, part = number.partition(".")
    if len(whole) == 1:  # numbers below ten have no exponent
        return number
    rest = (whole[1:] + part).rstrip("0") or "0"
    return f"{whole[0]}.{rest}E{len(whole) - 1}"
