"""Files of consolidated volume: how much traded everywhere, as a user's own vendor says.

One CSV or Parquet file, or a folder of them. A row is a symbol on a day (`trade_date`) or in a week
(`week_ending`, a Friday) with its shares. What is wrong is refused with all its rows: a figure that
is guessed would be a wrong share. Belongs here: reading, and what a row must be. Does not belong
here: sums by week (`tables.consolidated`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from spine_assets.core.row_checks import failure_cases
from spine_assets.core.table_schema import polars_type
from spine_assets.core.tables import Type
from spine_assets.core.text import counted
from spine_assets.core.weeks import WeekError, require_friday, sessions_of, week_ending_of

WEEK, DAY, SYMBOL, SHARES = "week_ending", "trade_date", "symbol", "share_volume"
_ROW = "#"
_ENDS = (".csv", ".csv.gz", ".parquet")
_SHOWN = 5  # rows in a message; the check has more
_SAMPLES = 20
_SHARES = r"^[0-9]{1,15}(\.[0-9]{1,6})?$"
_TEXTS = {_ROW: pl.UInt32(), "period": pl.String(), SYMBOL: pl.String(), SHARES: pl.String()}
# How Polars writes the time of a date that was stored as one.
_MIDNIGHT = r"[ T]00:00:00(\.0+)?$"
_NO_WEEK = "is not a Friday as YYYY-MM-DD"
_NO_DAY = "is not a trading day as YYYY-MM-DD"
_NO_SYMBOL = "is blank; the total of the market has the symbol *"
_NO_SHARES = "is not a plain number from 0 on with at most six decimal places"
_TWICE = "stands twice with this symbol"
_BOTH = "is given by days and as a week with this symbol"
Cases = list[dict[str, Any]]
Stamps = dict[str, list[int]]
"""Size and time of change of each file by name."""


@dataclass
class ConsolidatedRefused(Exception):
    """Files of consolidated volume cannot be used.

    Attributes:
        message: Which file and rows, and what to do.
        cases: The rows.
    """

    message: str
    cases: Cases = field(default_factory=list)

    def __str__(self) -> str:
        return self.message


def files_at(place: Path) -> list[Path]:
    """The files of a place, a folder or one file, by name; none where it is missing.

    Raises:
        ConsolidatedRefused: one is neither CSV nor Parquet.
    """
    if not place.is_dir():
        found = [place] if place.exists() else []
    else:
        found = sorted(path for path in place.iterdir() if not path.name.startswith("."))
    if odd := [path.name for path in found if not path.name.lower().endswith(_ENDS)]:
        raise ConsolidatedRefused(
            f"{place}: {', '.join(odd)} cannot be read; files end in {', '.join(_ENDS)}. Save it "
            "as one of these, or move it away"
        )
    return found


def stamps(files: Sequence[Path]) -> Stamps:
    """By these it is known whether files changed since they were loaded."""
    found = {path.name: path.stat() for path in files}
    return {name: [status.st_size, status.st_mtime_ns] for name, status in found.items()}


def read(files: Sequence[Path]) -> pl.DataFrame:
    """All rows of files, as `tables.consolidated.build` takes them.

    Raises:
        ConsolidatedRefused: columns are unknown or missing, or rows are not what they must be.
    """
    parts = [_rows(path) for path in files]
    rows = pl.concat(parts) if parts else _rows_of(pl.DataFrame(schema=_TEXTS), "", is_week=True)
    # A figure of a week beside one of its days would be counted twice, or contradict it.
    both = pl.col("is_week").n_unique().over("week_ending", SYMBOL) > 1
    again = pl.len().over("day", SYMBOL, "is_week") > 1
    cases = [
        _case(row["file"], row[_ROW], WEEK if row["is_week"] else DAY, str(row["day"]), problem)
        | {SYMBOL: row[SYMBOL]}
        for bad, problem in ((again, _TWICE), (both & ~again, _BOTH))
        for row in rows.filter(bad).sort(SYMBOL, "day", "file", _ROW).iter_rows(named=True)
    ]
    _require_none(cases)
    return rows.drop(_ROW)


def _rows(path: Path) -> pl.DataFrame:
    """The rows of one file."""
    texts = _texts(path)
    periods = [name for name in (WEEK, DAY) if name in texts.columns]
    wanted = [SYMBOL, SHARES]
    unknown = {*texts.columns} - {_ROW, WEEK, DAY, *wanted}
    missing = [name for name in wanted if name not in texts.columns]
    if unknown or missing or len(periods) != 1:
        raise ConsolidatedRefused(
            f"{path}: its columns are {', '.join(texts.columns[1:])}, and must be {SYMBOL}, "
            f"{SHARES} and one of {WEEK} (Fridays) and {DAY}: rename or remove the others"
        )
    (period,) = periods
    texts = texts.select(_ROW, period, *wanted).rename({period: "period"})
    good = _good(texts["period"], period)
    cases = failure_cases(
        texts.with_columns(pl.col("period").alias(period)),
        {
            period: {
                _NO_WEEK if period == WEEK else _NO_DAY: pl.col(period).is_in(good).fill_null(False)
            },
            SYMBOL: {_NO_SYMBOL: (pl.col(SYMBOL) != "").fill_null(False)},
            SHARES: {_NO_SHARES: pl.col(SHARES).str.contains(_SHARES).fill_null(False)},
        },
    )
    _require_none(
        [
            _case(path.name, texts[_ROW][index], column, value, check)
            for index, column, check, value in cases.iter_rows()
        ]
    )
    return _rows_of(texts, path.name, is_week=period == WEEK)


def _rows_of(texts: pl.DataFrame, file: str, *, is_week: bool) -> pl.DataFrame:
    """Texts that are as they must be, with their types."""
    day = pl.col("period").str.to_date("%Y-%m-%d")
    return texts.select(
        # Days of trading are from Monday (1) to Friday (5).
        (day + pl.duration(days=5 - day.dt.weekday())).alias("week_ending"),
        day.alias("day"),
        pl.lit(is_week).alias("is_week"),
        SYMBOL,
        pl.col(SHARES).cast(polars_type(Type.SHARES)),
        pl.lit(file).alias("file"),
        _ROW,
    )


def _texts(path: Path) -> pl.DataFrame:
    """A file as trimmed texts, with names of columns in lower case; blank lines are left out."""
    try:
        if path.name.lower().endswith(".parquet"):
            found = pl.read_parquet(path, glob=False)
        else:
            found = pl.read_csv(path, infer_schema=False, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ConsolidatedRefused(f"{path} cannot be read: {error}") from error
    names = [name.strip().casefold() for name in found.columns]
    if len({*names}) < len(names):
        raise ConsolidatedRefused(f"{path}: two of its columns have one name: {', '.join(names)}")
    found.columns = names
    texts = found.select(_text(pl.col(name), type_) for name, type_ in found.schema.items())
    numbered = texts.with_row_index(_ROW, 1)
    return numbered.filter(~pl.all_horizontal(pl.exclude(_ROW).is_null()))


def _text(column: pl.Expr, type_: pl.DataType) -> pl.Expr:
    if type_.is_float():  # exact as far as six places, where a text may have an exponent
        column = column.cast(polars_type(Type.SHARES), strict=False)
    return column.cast(pl.String, strict=False).str.strip_chars().str.replace(_MIDNIGHT, "")


def _good(texts: pl.Series, period: str) -> list[str]:
    """Of the different texts of days those that are Fridays, or trading days."""
    found = []
    for text in texts.drop_nulls().unique().to_list():
        try:
            day = date.fromisoformat(text)
            week = require_friday(day) if period == WEEK else week_ending_of(day)
        except (WeekError, ValueError):
            continue
        if text == str(day) and (period == WEEK or day in sessions_of(week)):
            found.append(text)
    return found


def _case(file: str, row: int, column: str, value: str | None, check: str) -> dict[str, Any]:
    """A row that is not what it must be; row 1 is the first one below the header."""
    return {"file": file, "row": row, "column": column, "value": value or "", "check": check}


def _require_none(cases: Cases) -> None:
    if not cases:
        return
    shown = [
        f"{case['file']}, row {case['row']}: {case['column']} {case['value']!r} {case['check']}"
        + (f" ({case[SYMBOL]})" if SYMBOL in case else "")
        for case in cases[:_SHOWN]
    ]
    more = [f"and {len(cases) - _SHOWN:,} more"] if len(cases) > _SHOWN else []
    raise ConsolidatedRefused(
        "\n".join(
            [
                f"{counted(len(cases), 'value')} of consolidated volume cannot be used (row 1 is "
                "below the header). Correct or remove these rows, then load again:",
                *shown,
                *more,
            ]
        ),
        cases[:_SAMPLES],
    )
