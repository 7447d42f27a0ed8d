"""Whether two lakes hold the same week: columns, types, rows, their order, and every figure.

Left out is what tells when and by whom a table was built: `captured_at`, `capture_id` of a
build, and the time within a capture's id. Floats may differ by 1e-9 of their size, since sums
are added in another order.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from pathlib import Path

import polars as pl
from variants import TABLES

_TOLERANCE = 1e-9
_CAPTURES = ("capture_id", "build_id", "input_min_capture_id", "input_max_capture_id")
_OF_BUILD = {"otc_raw": {"captured_at"}}
_OF_DERIVED = {"capture_id", "build_id"}


def differences(one: Path, other: Path, week: date, ignored: Collection[str] = ()) -> list[str]:
    """What differs between the four tables of a week in two lakes; empty when nothing does.

    Args:
        one: Root of a lake.
        other: Root of another.
        week: In both.
        ignored: Further columns that may differ.
    """
    found = []
    for table in TABLES:
        left, right = _read(one, table, week), _read(other, table, week)
        if left.schema != right.schema:
            found.append(f"{table}: columns {dict(left.schema)} and {dict(right.schema)}")
        elif left.height != right.height:
            found.append(f"{table}: {left.height} and {right.height} rows")
        else:
            left_out = {*ignored, *_OF_BUILD.get(table, _OF_DERIVED)}
            names = [name for name in left.columns if name not in left_out]
            found += [
                f"{table}.{name} differs in {rows} of {left.height} rows"
                for name in names
                if (rows := _unequal(left[name], right[name]))
            ]
    return found


def _read(lake: Path, table: str, week: date) -> pl.DataFrame:
    """A table's week, raw files in order of their tiers, ids of captures without their time."""
    paths = sorted((lake / table / f"week_ending={week}").glob("*.parquet"))
    frame = pl.concat(pl.read_parquet(path, hive_partitioning=False) for path in paths)
    ids = [name for name in _CAPTURES if name in frame.columns]
    return frame.with_columns(pl.col(ids).str.split("-").list.last())


def _unequal(one: pl.Series, other: pl.Series) -> int:
    """Rows in which two columns differ."""
    if one.dtype != pl.Float64:
        return int(one.ne_missing(other).sum())
    apart = (one - other).abs() > _TOLERANCE * other.abs()
    return int(((one.is_null() != other.is_null()) | apart.fill_null(value=False)).sum())
