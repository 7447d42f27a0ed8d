"""How the rows of a query are printed: each value as it is, nothing rounded.

A terminal gets the first rows, laid out to fit it; a pipe or file gets all, one line per row, with
numbers that programs can read. JSON and CSV are in `core.values`.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from spine_assets.cli.render.console import CONSOLE, align_numbers, grid, in_one_line
from spine_assets.cli.shared import visible
from spine_assets.core.values import plain

_BLOCKS = 10  # rows of which each is a block of lines
_NULL = "NULL"
_LINEAGE = {
    *("capture_id", "build_id", "from_capture_id", "to_capture_id"),
    *("input_min_capture_id", "input_max_capture_id"),
    *("record_hash", "source_file", "source_line", "captured_at"),
}
"""Columns that lead back to files and builds; left out where a row is too wide."""
_PLAN = ["explain_key", "explain_value"]
_LEAST_EXPONENT, _MOST_EXPONENT = -10, 21  # beyond them zeros alone would fill the line


def printed(
    names: list[str], rows: list[tuple[Any, ...]], total: int, *, every: bool, sql: str
) -> None:
    """Print rows, the first of `total`, as a table; `every` prints all that are given."""
    if names == _PLAN:
        for _, plan in rows:
            _print(visible(plan))
    elif sys.stdout.isatty():
        _on_terminal(names, rows, total, every=every, sql=sql)
    else:
        _plain(names, rows)


def _on_terminal(
    names: list[str], rows: list[tuple[Any, ...]], total: int, *, every: bool, sql: str
) -> None:
    asked = sql.casefold()
    lineage = [name for name in names if name in _LINEAGE and name not in asked]

    def table_of(shown: list[tuple[Any, ...]]) -> Any:
        table = grid(*names, lineage=lineage)
        align_numbers(table, shown)
        for row in shown:
            cells = zip(names, row, strict=True)
            table.add_row(*(Text(_written(value, name)) for name, value in cells))
        return table

    table, shown = table_of(rows), len(rows)
    if not every and len(rows) > _BLOCKS and not table.fits(CONSOLE.width):
        table, shown = table_of(rows[:_BLOCKS]), _BLOCKS
    CONSOLE.print(table)
    if shown < total:
        CONSOLE.print(
            f"{shown} of {total:,} rows: --all prints all, --csv, --parquet FILE writes them",
            highlight=False,
        )


def _plain(names: list[str], rows: list[tuple[Any, ...]]) -> None:
    """One line per row; columns are two spaces apart, and numbers have no separators."""
    lines = [[*map(in_one_line, names)], *([_value(value) for value in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    right = [
        any(isinstance(row[at], (int, float, Decimal)) for row in rows) for at in range(len(names))
    ]
    for line in lines:
        cells = (
            " " * (width - _width(cell)) + cell if is_right else cell + " " * (width - _width(cell))
            for cell, width, is_right in zip(line, widths, right, strict=True)
        )
        _print("  ".join(cells).rstrip())


def _print(line: str) -> None:
    """Print a line as it is; click would write UTF-8 where ASCII is asked for."""
    sys.stdout.write(f"{line}\n")


def _width(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def _written(value: Any, name: str) -> str:
    """A value as a terminal shows it: numbers with separators, but not those of years."""
    is_number = isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    if not is_number or "year" in name.casefold():
        return _value(value)
    written = _value(value)
    whole, point, part = written.partition(".")
    if not whole.lstrip("-").isdigit():
        return written  # an exponent, infinity
    return f"{int(whole):,}{point}{part}" if int(whole) else written


def _value(value: Any) -> str:
    """A value, exact, without separators."""
    if value is None:
        return _NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, (list, tuple, dict)):
        return in_one_line(json.dumps(value, ensure_ascii=False, default=_within))
    return in_one_line(str(plain(value)))


def _within(value: Any) -> Any:
    """A value in a list or an object; a decimal is text, which keeps its digits."""
    return plain(value)


def _float(value: float) -> str:
    """The shortest decimal number that is this float; no exponent where there is room."""
    exact = Decimal(repr(value))
    if exact.is_finite() and _LEAST_EXPONENT < exact.adjusted() < _MOST_EXPONENT:
        return f"{exact:f}"
    return repr(value)
