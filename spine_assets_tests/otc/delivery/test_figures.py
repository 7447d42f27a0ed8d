"""How far one file repeats another, by its sample and by its rows."""

from __future__ import annotations

from random import Random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine_assets.otc.delivery.figures import Likeness, Sample, compare, sample
from spine_assets_tests.conftest import HEADER, line, parsed

Rows = dict[tuple[str, str], tuple[int, int]]


def frame(rows: Rows, *, by_name: bool = False) -> pl.DataFrame:
    """Rows of `otc_raw`, by MPID or of firms without one."""
    return pl.DataFrame(
        {
            "symbol": [symbol for symbol, _ in rows],
            "mpid": [None if by_name else venue for _, venue in rows],
            "venue_name": [f"{venue}, Inc." for _, venue in rows],
            "share_volume": pl.Series([shares for shares, _ in rows.values()], dtype=pl.Int64).cast(
                pl.Decimal(28, 6)
            ),
            "trade_count": pl.Series([trades for _, trades in rows.values()], dtype=pl.Int64),
        },
        schema_overrides={"symbol": pl.String, "mpid": pl.String, "venue_name": pl.String},
    )


def week(keys: int, seed: int) -> Rows:
    drawn = Random(seed)
    return {
        (f"S{n // 3}", f"V{n % 3}"): (drawn.randrange(1, 10**6), drawn.randrange(1, 99))
        for n in range(keys)
    }


keys = st.tuples(st.sampled_from("ABCDE"), st.sampled_from("XYZ"))
small = st.dictionaries(keys, st.tuples(st.integers(1, 3), st.integers(1, 2)))


@given(small, small, st.booleans())
def test_of_few_rows_the_sample_says_what_the_rows_say(
    one: Rows, other: Rows, by_name: bool
) -> None:
    shared = one.keys() & other.keys()
    same = sum(one[key] == other[key] for key in shared)
    expected = Likeness(len(shared), same, min(len(one), len(other)))
    frames = [frame(rows, by_name=by_name) for rows in (one, other)]
    assert compare(*frames) == expected
    first, second = map(sample, frames)
    assert first.likeness(second) == second.likeness(first) == expected
    assert (first.keys, Sample.of_text(first.text())) == (len(one), first)


@pytest.mark.parametrize("part", [0, 1_500, 3_000])
def test_of_many_rows_it_is_an_estimate(part: int) -> None:
    """Of 3,000 figures so many are repeated; an estimate by 64 may be off by a fifth."""
    one, other = week(3_000, 1), week(3_000, 2)
    other |= {key: one[key] for key in [*one][:part]}
    found = sample(frame(one)).likeness(sample(frame(other)))
    assert found is not None
    assert (found.shared, found.keys) == (3_000, 3_000)
    assert found.same == pytest.approx(part, abs=600)
    assert compare(frame(one), frame(other)).same == part


def test_of_a_small_part_of_a_large_file_it_says_that_it_does_not_know() -> None:
    rows = week(3_000, 1)
    whole, part = sample(frame(rows)), sample(frame({key: rows[key] for key in [*rows][:30]}))
    assert whole.likeness(part) is None
    assert whole.may_repeat(part)
    assert not whole.agrees(part)
    assert not whole.may_repeat(sample(frame(week(3_000, 2))))
    assert whole.agrees(whole)


def test_a_download_and_an_answer_of_the_api_have_one_sample() -> None:
    """The download names the firm, the answer its CRD number as well."""
    firm = line("AAAA", "", name="ACME, LLC")
    download = parsed(firm)
    extended = parsed(
        f"{firm}|7059",
        header=f"{HEADER}|firmCRDNumber",
    )
    assert download.sample == extended.sample


@pytest.mark.parametrize(
    ("likeness", "repeats", "contradicts", "agrees"),
    [
        (Likeness(100, 100, 100), True, False, True),
        (Likeness(100, 50, 100), True, False, True),
        (Likeness(100, 49, 100), False, False, False),
        (Likeness(100, 10, 100), False, False, False),
        (Likeness(100, 9, 100), False, True, False),
        (Likeness(49, 0, 100), False, False, False),
        (Likeness(50, 0, 100), False, True, False),
        (Likeness(20, 20, 20), True, False, True),
        (Likeness(19, 19, 19), False, False, False),
        (Likeness(19, 0, 19), False, False, False),
        (Likeness(0, 0, 0), False, False, False),
    ],
)
def test_what_it_proves(likeness: Likeness, repeats: bool, contradicts: bool, agrees: bool) -> None:
    found = (likeness.repeats, likeness.contradicts, likeness.agrees)
    assert found == (repeats, contradicts, agrees)


@pytest.mark.parametrize("text", ["", "x", "3:????", ":AAAA", "x:"])
def test_a_text_that_is_no_sample_is_none(text: str) -> None:
    assert Sample.of_text(text) is None
