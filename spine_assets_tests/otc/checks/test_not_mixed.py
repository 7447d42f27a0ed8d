"""The check `not_mixed`: a week, and a lake, hold FINRA's data or synthetic data."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest

from spine_assets.core.weeks import Tier, publication_day
from spine_assets.lake.names import LockName
from spine_assets.otc.build.week import build_week
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.provenance import is_synthetic
from spine_assets.otc.delivery.provenance import MARK, Provenance
from spine_assets.otc.state.results import WeekResult
from spine_assets_tests.conftest import (
    ALL,
    NOW,
    RAW,
    WEEK,
    House,
    built_tables,
    check_of,
    delivered,
    line,
)

EARLIER = WEEK - timedelta(weeks=1)
SYNTHETIC = f"Alpha Corp{MARK}"
REAL = "Alpha Corp"


def drop(house: House, name: str, *issues: str, week: date = WEEK, tier: Tier = Tier.OTC) -> None:
    """A file of a week with one row per issue name."""
    day = str(publication_day(week, tier))
    rows = [
        line(f"S{number}", issue=issue, updated=day, tier=tier.description)
        for number, issue in enumerate(issues)
    ]
    house.drop(f"week_ending={week}/{name}", delivered(*rows))


def refused(result: WeekResult) -> list[tuple[str, str]]:
    """The files that a week was refused for; nothing of it is published."""
    check = check_of(result, RAW, "not_mixed")
    assert check.is_blocking_failure
    assert built_tables(result) == {}
    assert check.summary in str(result.error)
    assert "`spine sample remove`" in check.summary
    assert "SPINE_DATA_DIR" in check.summary
    return sorted((row["provenance"], row["file"].rpartition("/")[2]) for row in check.samples)


@pytest.mark.parametrize(
    ("issues", "provenance"),
    [
        ([REAL, "Beta Corp"], (Provenance.FINRA,)),
        ([SYNTHETIC, SYNTHETIC], (Provenance.SYNTHETIC,)),
        ([SYNTHETIC, ""], (Provenance.SYNTHETIC,)),
        ([SYNTHETIC, REAL], (Provenance.FINRA, Provenance.SYNTHETIC)),
        (["(synthetic) Corp", "Alpha Corp (Synthetic)"], (Provenance.FINRA,)),
        (["", ""], ()),
    ],
)
def test_a_capture_knows_by_its_rows_who_made_them(
    house: House, issues: list[str], provenance: tuple[Provenance, ...]
) -> None:
    """The name of a file, or of its folder, says nothing."""
    drop(house, "synthetic/otc.csv", *issues)
    house.build()
    stored = captures.stored(house.lake, WEEK)
    if len(provenance) == 2:
        assert stored == []
        return
    assert [item.provenance for item in stored] == [provenance]
    assert is_synthetic(house.lake) is (Provenance.SYNTHETIC in provenance)


def test_builds_of_synthetic_captures_say_so_and_others_do_not(house: House) -> None:
    drop(house, "otc.csv", SYNTHETIC)
    result = house.built()
    assert check_of(result, RAW, "not_mixed").summary == "all rows are synthetic"
    assert {name for name, built in built_tables(result).items() if built.facts["synthetic"]} == {
        *ALL
    }
    unchanged = house.built()
    assert all(built.facts["synthetic"] for built in built_tables(unchanged).values())


def test_builds_of_finras_captures_say_nothing_of_it(house: House) -> None:
    drop(house, "otc.csv", REAL)
    result = house.built()
    assert check_of(result, RAW, "not_mixed").summary == "all rows are FINRA's"
    assert not any("synthetic" in built.facts for built in built_tables(result).values())


@pytest.mark.parametrize(("first", "second"), [(SYNTHETIC, REAL), (REAL, SYNTHETIC)])
def test_a_week_that_would_mix_is_refused_and_stays_as_it_was(
    house: House, first: str, second: str
) -> None:
    drop(house, "first.csv", first, tier=Tier.NMS_TIER_1)
    house.built()
    before = {name: house.table(name).rows() for name in ALL if house.lake.files(name, WEEK)}
    drop(house, "second.csv", second)
    names = {first: "first.csv", second: "second.csv"}
    expected = [("FINRA", names[REAL]), ("synthetic", names[SYNTHETIC])]
    assert refused(house.build()) == expected
    assert before == {name: house.table(name).rows() for name in before}
    assert len(captures.stored(house.lake, WEEK)) == 1


def test_a_file_that_mixes_within_itself_is_refused(house: House) -> None:
    drop(house, "joined.csv", SYNTHETIC, REAL)
    assert refused(house.build()) == [("FINRA", "joined.csv"), ("synthetic", "joined.csv")]


def test_a_correction_that_would_not_be_current_is_refused_too(house: House) -> None:
    """It could be made current later, without any build of `otc_raw`."""
    drop(house, "first.csv", *[SYNTHETIC] * 20)
    house.built()
    drop(house, "short.csv", REAL)
    assert refused(house.build()) == [("FINRA", "short.csv"), ("synthetic", "first.csv")]


@pytest.mark.parametrize(("first", "second"), [(SYNTHETIC, REAL), (REAL, SYNTHETIC)])
def test_a_week_is_refused_beside_another_week_of_the_other_kind(
    house: House, first: str, second: str
) -> None:
    """Views rank over all weeks."""
    drop(house, "first.csv", first, week=EARLIER)
    house.built(week=EARLIER)
    drop(house, "second.csv", second)
    summary = check_of(house.build(), RAW, "not_mixed").summary
    assert f"first.csv of week {EARLIER}" in summary
    assert "second.csv" in summary
    assert captures.stored(house.lake, WEEK) == []
    house.built(week=EARLIER)


def test_rows_without_issue_names_are_neutral(house: House) -> None:
    drop(house, "unnamed.csv", "", week=EARLIER)
    house.built(week=EARLIER)
    drop(house, "otc.csv", SYNTHETIC)
    house.built()
    drop(house, "more.csv", "", tier=Tier.NMS_TIER_2)
    house.built()


def test_a_damaged_capture_of_another_week_keeps_no_week_from_being_built(house: House) -> None:
    drop(house, "otc.csv", SYNTHETIC, week=EARLIER)
    house.built(week=EARLIER)
    (raw,) = house.lake.files(RAW, EARLIER)
    raw.write_bytes(b"no Parquet")
    drop(house, "otc.csv", SYNTHETIC)
    house.built()


def test_of_two_runs_that_begin_a_lake_at_once_one_is_refused(house: House) -> None:
    """Each would find the lake empty: so the first to check stores its captures before the other
    looks."""
    drop(house, "synthetic.csv", SYNTHETIC, week=EARLIER)
    drop(house, "real.csv", REAL)
    reached = threading.Barrier(2, timeout=30)

    class Meets:
        """A lake whose weeks meet before either takes the lock."""

        def __init__(self) -> None:
            self._lake = house.lake

        def __getattr__(self, name: str) -> object:
            return getattr(self._lake, name)

        def lock_of(self, name: LockName, *more: object) -> object:
            if name == LockName.PROVENANCE:
                reached.wait()
            return self._lake.lock_of(name, *more)  # type: ignore[arg-type]

    def build(week: date) -> WeekResult:
        run = replace(house.workplace(NOW), lake=Meets())  # type: ignore[arg-type]
        return build_week(week, ALL, run)

    with ThreadPoolExecutor(2) as pool:
        results = [*pool.map(build, (EARLIER, WEEK))]
    assert [result.error is None for result in results].count(True) == 1
    (lost,) = [result for result in results if result.error is not None]
    assert not check_of(lost, RAW, "not_mixed").passed
