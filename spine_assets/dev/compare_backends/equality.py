"""Whether two lakes have equal tables of the same weeks.

Columns that depend on when and from which capture a table was built are left out: `captured_at`,
`capture_id`, the two input columns, and those of the same meaning in `otc_restatements`. Sums of
floats may differ by a relative 1e-9, because the order of addition differs.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import polars as pl
from polars.testing import assert_frame_equal

from spine_assets.core.tables import Table
from spine_assets.lake.base import Lake, LakeFile
from spine_assets.otc.tables.registry import TABLES

_TOLERANCE = 1e-9
_OF_BUILD = (
    *("captured_at", "capture_id", "build_id", "input_min_capture_id", "input_max_capture_id"),
    *("from_capture_id", "to_capture_id", "captured_from", "captured_to", "displaced_at"),
)


def differences(one: Lake[LakeFile], other: Lake[LakeFile], weeks: Iterable[date]) -> list[str]:
    """The differences, one line per table and week."""
    found = []
    for week in weeks:
        for table in TABLES:
            difference = _difference(_rows(one, table, week), _rows(other, table, week))
            if difference is not None:
                found.append(f"{table.name} {week}: {difference}")
    return found


def _rows(lake: Lake[LakeFile], table: Table, week: date) -> pl.DataFrame | None:
    """A table's week without the columns of its build, in the order of its values."""
    files = lake.files(table.name, week)
    if not files:
        return None
    frame = pl.concat([lake.read(path) for path in files]).drop(_OF_BUILD, strict=False)
    exact = [name for name, kind in frame.schema.items() if not kind.is_float()]
    return frame.sort(exact, nulls_last=True)


def _difference(one: pl.DataFrame | None, other: pl.DataFrame | None) -> str | None:
    if one is None or other is None:
        heights = ["no" if frame is None else str(frame.height) for frame in (one, other)]
        return None if one is other else f"{' and '.join(heights)} rows"
    try:
        assert_frame_equal(one, other, check_exact=False, rel_tol=_TOLERANCE, abs_tol=0.0)
    except AssertionError as error:
        return str(error).splitlines()[0]
    return None
