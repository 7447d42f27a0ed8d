"""Rows as an Excel workbook.

Excel has numbers of 15 digits, a largest number of rows and of characters in a cell, and no lists.
What it could only cut off is refused here; what it rounds is counted. Does not belong here: which
rows are exported.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import polars as pl

from spine_assets.core.values import number, plain
from spine_assets.lake.atomic_write import replacing

_ROWS = 1_048_576  # of a sheet, with the header
_CHARS = 32_767  # of a cell
_DIGITS = 15  # of a number
# Delivered text stays text, also where it begins as a formula or an address does.
_WIDTHS: dict[pl.DataType, int] = {pl.String(): 24, pl.Date(): 12, pl.Boolean(): 10}
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def write_workbook(rows: pl.DataFrame, name: str, out: Path) -> dict[str, int]:
    """Write rows to a sheet of this name, in one step.

    Dates and times are Excel's, shares are numbers, lists are written as JSON.

    Returns:
        How many numbers Excel rounds, since they have more than 15 digits, by column.

    Raises:
        ClickException: it is more than a sheet holds, or XlsxWriter is not installed.
    """
    if rows.height >= _ROWS:
        raise click.ClickException(
            f"{rows.height:,} rows are more than an Excel sheet holds below its header "
            f"({_ROWS - 1:,}); give fewer weeks, or --format parquet or csv"
        )
    try:
        from xlsxwriter import Workbook  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise click.ClickException(
            "Excel files need XlsxWriter: pip install 'spine-assets[excel]'"
        ) from error

    rounded: dict[str, int] = {}
    with replacing(out) as staged, Workbook(str(staged), _OPTIONS) as book:
        sheet = book.add_worksheet(name)
        formats = {
            date: book.add_format({"num_format": "yyyy-mm-dd"}),
            datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        }
        whole = book.add_format({"num_format": "#,##0"})
        sheet.freeze_panes(1, 0)
        for place, values in enumerate(rows.iter_columns()):
            width = max(len(values.name) + 3, _WIDTHS.get(values.dtype, 14))
            sheet.set_column(place, place, width)
        sheet.write_row(0, 0, rows.columns, book.add_format({"bold": True}))
        for at, row in enumerate(rows.iter_rows(), 1):
            for column, value in enumerate(row):
                if value is None:
                    continue
                cell = _cell(value, rows.columns[column])
                if _is_rounded(value):
                    rounded[rows.columns[column]] = rounded.get(rows.columns[column], 0) + 1
                sheet.write(
                    at, column, cell, whole if _is_whole(cell) else formats.get(type(value))
                )
        sheet.autofilter(0, 0, max(rows.height, 1), rows.width - 1)
    return rounded


def _cell(value: Any, column: str) -> Any:
    """A value as Excel holds it."""
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, list):
        value = json.dumps(plain(value))
    if isinstance(value, str) and len(value) > _CHARS:
        raise click.ClickException(
            f"a value of {column} has {len(value):,} characters, and an Excel cell holds "
            f"{_CHARS:,}; give --format parquet or csv"
        )
    return value


def _is_whole(value: Any) -> bool:
    """Whether a number is shown with separators between its thousands."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value)


def _is_rounded(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return False
    return len(Decimal(value).normalize().as_tuple().digits) > _DIGITS
