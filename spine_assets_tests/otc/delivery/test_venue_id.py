"""Who traded: any spelling of the same identity gives the same venue."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine_assets.otc.delivery.venue_id import (
    BUCKETS,
    NULL_WORDS,
    crd_number,
    identified,
    is_bucket,
    known_by_crd,
    name_key,
    with_participants,
)

NUMBERS = st.integers(1, 10**9)
NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)


def rows(*given_rows: dict[str, Any]) -> pl.DataFrame:
    """Rows outside an ATS, unless they say otherwise."""
    usual = {"venue_class": "NON_ATS", "mpid": None, "firm_crd": None, "venue_name": "ACME LLC"}
    types = {name: pl.String() for name in usual}
    return pl.DataFrame([usual | row for row in given_rows], schema=types, orient="row")


def venue(**row: Any) -> str | None:
    found: str | None = identified(rows(row))["venue_id"].item()
    return found


@st.composite
def spelled(draw: st.DrawFn, number: int) -> str:
    """A CRD number as some tool writes it."""
    zeros = "0" * draw(st.integers(0, 4))
    end = draw(st.sampled_from(["", ".", ".0", ".00"]))
    return f"{zeros}{number}{end}"


@given(st.data(), NUMBERS)
def test_any_spelling_of_a_number_is_one_firm(data: st.DataObject, number: int) -> None:
    text = data.draw(spelled(number))
    assert venue(firm_crd=text, venue_name="Whoever") == f"CRD{number}"


@given(st.text("0123456789.-+eE, x", min_size=1, max_size=8))
def test_a_number_is_digits_and_nothing_else(text: str) -> None:
    found = pl.DataFrame({"crd": [text]}).select(crd_number(pl.col("crd"))).item()
    digits, _, zeros = text.partition(".")
    is_number = digits.isdigit() and not zeros.strip("0")
    assert found == (str(int(digits)) if is_number else None)


@pytest.mark.parametrize("word", NULL_WORDS)
def test_a_word_for_nothing_names_nobody(word: str) -> None:
    assert venue(venue_name=word) is None
    assert venue(firm_crd=word) == "FIRM:ACME LLC"
    assert venue(venue_class="ATS", mpid=word) == "UNATTRIBUTED"
    assert venue(venue_name=f"{word} Trading") == f"FIRM:{word} Trading"


@pytest.mark.parametrize("number", ["0", "000", "0.0", "00."])
@pytest.mark.parametrize("name", ["", "De Minimis Firms", "Anything"])
def test_number_zero_is_the_pool(number: str, name: str) -> None:
    assert venue(firm_crd=number, venue_name=name) == "DE_MINIMIS"


@given(
    st.sampled_from(["de minimis", "de minimis firm", "de minimis firms"]),
    st.lists(st.sampled_from([" ", "  ", "-", "*", ".", ", "]), min_size=4, max_size=4),
    st.booleans(),
    st.one_of(st.none(), st.just("77")),
)
def test_the_pool_is_known_by_its_name_however_it_is_written(
    name: str, marks: list[str], upper: bool, crd: str | None
) -> None:
    words = name.split()
    text = marks[0] + "".join(w + mark for w, mark in zip(words, marks[1:], strict=False))
    assert venue(venue_name=text.upper() if upper else text, firm_crd=crd) == "DE_MINIMIS"


@pytest.mark.parametrize("name", ["De Minimis Capital", "Firms", "deminimis", "Minimis Firms"])
def test_a_name_that_only_looks_like_the_pool_is_a_firm(name: str) -> None:
    assert venue(venue_name=name) == f"FIRM:{name}"


def test_an_ats_is_its_mpid_whatever_its_name_and_number() -> None:
    assert venue(venue_class="ATS", mpid="OTCX", firm_crd="0") == "OTCX"
    assert venue(venue_class="ATS", mpid="OTCX", venue_name="De Minimis Firms") == "OTCX"
    assert venue(venue_class="ATS", firm_crd="7") == "UNATTRIBUTED"


@pytest.mark.parametrize("mpid", ["DE_MINIMIS", "CRD7", "FIRM:ACME LLC", "UNATTRIBUTED"])
def test_an_mpid_that_reads_as_the_identity_of_a_firm_is_none(mpid: str) -> None:
    assert venue(venue_class="ATS", mpid=mpid) == "UNATTRIBUTED"
    for near in ("DE_MINIMIS1", "CRD7X", "CRD", "FIRM"):
        assert venue(venue_class="ATS", mpid=near) == near


def test_buckets_are_told_from_venues() -> None:
    frame = pl.DataFrame({"mpid": [*BUCKETS, "OTCX", "CRD0", "FIRM:DE_MINIMIS"]})
    assert frame.filter(is_bucket(pl.col("mpid")))["mpid"].to_list() == list(BUCKETS)


@given(NAMES, st.sampled_from([", ", " ", "  ", " & ", "."]), st.sampled_from(["LLC", "L.L.C"]))
def test_a_name_is_compared_without_case_punctuation_and_repeated_spaces(
    name: str, mark: str, end: str
) -> None:
    texts = pl.DataFrame({"name": [f"{name}{mark}{end}", f" {name} {end}. ".lower()]})
    one, other = texts.select(name_key(pl.col("name")))["name"].to_list()
    assert one == other.lower()
    assert "  " not in one
    assert one.strip() == one


def test_firms_of_a_download_and_of_an_answer_are_the_same_participants() -> None:
    download = rows({"venue_name": "Acme, LLC"}, {"venue_name": "BETA"})
    answer = rows({"venue_name": "ACME LLC", "firm_crd": "7"}, {"venue_name": "BETA"})
    one, other = with_participants(download, answer)
    assert one["participant"].to_list() == other["participant"].to_list() == ["acme llc", "beta"]
    renamed = rows({"venue_name": "Acme Holdings", "firm_crd": "7"}, {"venue_name": "BETA"})
    one, other = with_participants(answer, renamed)
    assert one["participant"].to_list() == other["participant"].to_list() == ["7", "beta"]


def test_a_firm_known_by_name_takes_the_number_that_another_week_has_for_it() -> None:
    named = pl.DataFrame(
        {
            "mpid": ["FIRM:Acme, LLC", "FIRM:BETA", "FIRM:TWICE", "OTCX", "FIRM:HERE", "CRD9"],
            "venue_name": ["Acme, LLC", "BETA", "TWICE", "OTC LINK", "HERE", "Here"],
        }
    )
    numbered = pl.DataFrame(
        {
            "mpid": ["CRD7", "CRD1", "CRD2", "CRD9", "OTCX"],
            "venue_name": ["ACME LLC", "Twice", "TWICE", "HERE", "Beta"],
        }
    )
    assert known_by_crd(named, numbered)["mpid"].to_list() == [
        *("CRD7", "FIRM:BETA", "FIRM:TWICE", "OTCX", "FIRM:HERE", "CRD9")
    ]
    assert known_by_crd(numbered, named).equals(numbered)
