"""Values of tables as programs read them: JSON and CSV, exact, whole shares as whole numbers.

Does not belong here: computing, printing, and values as people like to see them (`cli.render`).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from spine_assets.core.text import Shown

_SHOWN_CHARS = 500  # no real line is longer


def plain(value: Any) -> Any:
    """A value as JSON holds it: whole decimals as integers, others as exact text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else f"{value.normalize():f}"
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value)


def number(value: Decimal) -> int | float:
    """An exact quantity as a number that can be plotted; an integer stays exact."""
    return int(value) if value == int(value) else float(value)


def records(names: list[str], rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Rows as JSON objects."""
    return [dict(zip(names, map(plain, row), strict=True)) for row in rows]


def csv_text(names: Sequence[str], rows: Iterable[tuple[Any, ...]], line_end: str = "\n") -> str:
    """Rows as CSV with a header."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=line_end)
    writer.writerow(names)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def metadata_value(value: Any) -> str | int | float | bool | None:
    """A value that tables of metadata can hold; decimals as exact text without trailing zeros.

    A line may be as long as a file allows; metadata shows its beginning. A text that is `Shown`
    already stays as it is.
    """
    if value is None or isinstance(value, (bool, int, float, Shown)):
        return value
    if isinstance(value, str):
        shown = Shown.as_written(value, _SHOWN_CHARS)
        if len(value) > _SHOWN_CHARS:
            return Shown.as_written(f"{shown} ({len(value):,} characters)", 2 * _SHOWN_CHARS)
        return shown
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return Shown(value)


def _cell(value: Any) -> Any:
    """A value of CSV: lists and truth values as JSON writes them."""
    shown = plain(value)
    return json.dumps(shown) if isinstance(shown, (bool, list)) else shown
