"""Rows of `otc_restatements` from corrections, computed by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from spine_assets.otc.build.restatement_rows import build
from spine_assets.otc.captures.steps import CaptureStep, Correction, RowChange
from spine_assets_tests.otc.captures.test_current import FIRST, KEY, LATER, NOON, UPDATED

GREATEST = Decimal("9999999999999999999999.999999")  # that DECIMAL(28,6) holds


def correction(before: Decimal, after: Decimal, at: datetime = NOON) -> Correction:
    """A step between two captures that changed shares alone."""
    return Correction(
        step=CaptureStep(KEY, at, FIRST, LATER),
        rows=pl.DataFrame(),
        counts=dict.fromkeys(RowChange, 0) | {RowChange.CHANGED: 1},
        rows_before=1,
        rows_after=1,
        shares_before=before,
        shares_after=after,
        rejects_before=0,
        rejects_after=0,
    )


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (Decimal(200), Decimal(150), -25.0),
        (Decimal(200), Decimal(0), -100.0),
        (Decimal("0.5"), Decimal(1), 100.0),
        (Decimal(0), Decimal(5), None),
        (Decimal(0), Decimal(0), None),
    ],
)
def test_the_change_is_in_percent_of_the_shares_before(
    before: Decimal, after: Decimal, change: float | None
) -> None:
    frame = build([correction(before, after)], "build")
    assert frame["share_change_pct"].to_list() == [change]


def test_a_total_beyond_the_type_is_null_and_the_greatest_is_not() -> None:
    least_beyond = Decimal(10) ** 22
    frame = build([correction(GREATEST, least_beyond)], "build")
    assert frame.select("shares_before", "shares_after", "share_change_pct").rows() == [
        (GREATEST, None, None)
    ]


def test_steps_are_numbered_from_one_in_each_tier_and_class() -> None:
    first = correction(Decimal(1), Decimal(2))
    second = replace(first, step=CaptureStep(KEY, NOON + timedelta(hours=2), LATER, UPDATED))
    frame = build([first, second], "build")
    assert frame.select("step", "from_capture_id", "to_capture_id").rows() == [
        (1, "first", "later"),
        (2, "later", "updated"),
    ]
    assert frame["rows_changed"].to_list() == [1, 1]
