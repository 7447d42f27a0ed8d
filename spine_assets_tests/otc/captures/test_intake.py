"""Which deliveries become captures: files of another week, and halves of one delivery."""

from __future__ import annotations

from datetime import timedelta

import pytest

from spine_assets.otc.captures import storage as captures
from spine_assets.otc.state.results import WeekResult
from spine_assets_tests.conftest import NOW, WEEK, House, check_of, delivered, line

LATER = NOW + timedelta(days=1)
OTHER_WEEK = "2025-12-29"  # publication day of OTC of the week after
SECOND = f"week_ending={WEEK}/second.csv"


def found(result: WeekResult) -> str | None:
    """What the check `delivery` found of the second file."""
    samples = check_of(result, "otc_raw", "delivery").samples
    kinds = {"week_in_doubt", "unusable_file"}
    named = [row["finding"] for row in samples if row["what"] == SECOND]
    return next((kind for kind in named if kind in kinds), None)


def deliver_second(house: House, figures: list[str]) -> WeekResult:
    """A file by its path of WEEK, by all its dates of the week after."""
    rows = (line(f"S{n:02}", shares=f, updated=OTHER_WEEK) for n, f in enumerate(figures))
    house.drop(SECOND, delivered(*rows))
    return house.built(now=LATER)


@pytest.mark.parametrize(
    ("alike", "of", "finding"),
    [
        (3, 6, None),
        (2, 6, "week_in_doubt"),
        (10, 20, None),
        (9, 20, "unusable_file"),
        (9, 19, "week_in_doubt"),
    ],
)
def test_half_of_the_figures_of_another_capture_make_a_correction(
    house: House, alike: int, of: int, finding: str | None
) -> None:
    """Of fewer than twenty rows so few alike may be chance; of twenty it is another week's file."""
    house.drop("first.csv", delivered(*(line(f"S{n:02}") for n in range(of))))
    house.built()
    assert found(deliver_second(house, ["100"] * alike + ["7"] * (of - alike))) == finding


def test_a_correction_that_comes_with_what_it_corrects_is_certain(house: House) -> None:
    """Files whose week is in doubt are compared with those of the same run whose week is not."""
    house.drop(f"week_ending={WEEK}/third.csv", delivered(*(line(f"S{n:02}") for n in range(6))))
    assert found(deliver_second(house, ["100"] * 5 + ["7"])) is None
    assert len(captures.stored(house.lake, WEEK)) == 2


def test_a_correction_of_one_of_several_captures_is_one(house: House) -> None:
    for number, shares in enumerate(("55", "100", "66")):
        rows = (line(f"S{n:02}", shares=shares) for n in range(20))
        house.drop(f"first{number}.csv", delivered(*rows))
        house.built(now=NOW + timedelta(hours=number))
    assert found(deliver_second(house, ["100"] * 19 + ["7"])) is None


def test_a_week_by_publication_alone_is_refused_where_nothing_is_alike(house: House) -> None:
    """Half of its rows are of the week after, and no capture is there to compare with."""
    rows = [line(f"S{n}", updated=(OTHER_WEEK, "2025-12-22")[n % 2]) for n in range(6)]
    house.drop("first.csv", delivered(*rows))
    house.drop("tier2.csv", delivered(line(tier="NMS Tier 2")))
    result = house.built()
    samples = check_of(result, "otc_raw", "delivery").samples
    assert ("unusable_file", "first.csv") in [(row["finding"], row["what"]) for row in samples]


def test_files_that_share_a_firm_and_symbol_are_no_halves(house: House) -> None:
    """Firms outside ATSs have no MPID, which makes them no different."""
    for name, symbol in (("one.csv", "BBBB"), ("two.csv", "CCCC")):
        firm = {"mpid": "", "name": "ACME LLC"}
        house.drop(name, delivered(line("AAAA", **firm), line(symbol, **firm)))
    house.built()
    assert len(captures.stored(house.lake, WEEK)) == 2
