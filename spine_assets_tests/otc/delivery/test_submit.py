"""Handing a file in: it is looked at first, copied whole, and never modified."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import pytest

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.delivery.reasons import FileRefused
from spine_assets.otc.delivery.submit import Asserted, submit
from spine_assets_tests.conftest import WEEK, House, delivered, line, with_columns

GOOD = delivered(line(), line("BBBB"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere" / "otc.csv"
    path.parent.mkdir()
    path.write_bytes(GOOD)
    return path


def test_it_is_copied_under_what_is_asserted_and_placed_there(house: House, file: Path) -> None:
    asserted = Asserted(WEEK, Tier.OTC, VenueClass.ATS)
    done = submit(file, house.landing, asserted)
    assert done.copied
    assert done.weeks == [WEEK]
    name = done.path.relative_to(house.landing).as_posix()
    assert name == f"week_ending={WEEK}/tier=OTC/class=ATS/otc.csv"
    assert done.path.read_bytes() == file.read_bytes() == GOOD
    (delivery,) = house.scan().deliveries
    assert (delivery.name, delivery.placement.week_ending) == (name, WEEK)
    assert [path.name for path in house.landing.rglob("*") if path.is_file()] == ["otc.csv"]


def test_the_week_is_found_where_none_is_asserted(house: House, file: Path) -> None:
    done = submit(file, house.landing, Asserted())
    assert (done.path, done.weeks) == (house.landing.resolve() / "otc.csv", [WEEK])


def test_a_dry_run_copies_nothing(house: House, file: Path) -> None:
    assert submit(file, house.landing, Asserted(WEEK), dry_run=True).copied
    assert list(house.landing.iterdir()) == []


def test_the_same_content_again_is_not_copied_and_another_gets_a_name_of_its_own(
    house: House, file: Path
) -> None:
    first = submit(file, house.landing, Asserted(WEEK))
    assert not submit(file, house.landing, Asserted(WEEK)).copied
    other = delivered(line(shares="101"))
    file.write_bytes(other)
    second = submit(file, house.landing, Asserted(WEEK))
    assert second.copied
    assert first.path.read_bytes() == GOOD
    assert second.path.read_bytes() == other
    assert second.path.parent == first.path.parent


def test_a_file_of_the_landing_folder_stays_where_it_is(house: House) -> None:
    path = house.drop(f"week_ending={WEEK}/otc.csv", GOOD)
    done = submit(path, house.landing, Asserted(WEEK, Tier.OTC))
    assert (done.path, done.copied) == (path.resolve(), False)


@pytest.mark.parametrize(
    ("asserted", "said"),
    [
        (Asserted(tier=Tier.NMS_TIER_1), "tier=NMS_TIER_1 was asserted, but the file holds OTC"),
        (Asserted(date(2025, 11, 28)), "2025-11-28"),
    ],
    ids=["tier", "week"],
)
def test_what_contradicts_the_assertion_is_not_taken(
    house: House, file: Path, asserted: Asserted, said: str
) -> None:
    with pytest.raises(FileRefused, match=said):
        submit(file, house.landing, asserted)
    assert list(house.landing.rglob("*")) == []


def test_a_class_that_a_column_contradicts_is_not_taken(house: House, file: Path) -> None:
    header, row = with_columns(summaryTypeCode="ATS_W_SMBL_FIRM")
    file.write_bytes(delivered(row, header=header))
    assert submit(file, house.landing, Asserted(venue_class=VenueClass.ATS), dry_run=True).copied
    with pytest.raises(FileRefused, match="NON_ATS"):
        submit(file, house.landing, Asserted(venue_class=VenueClass.NON_ATS))


def test_what_would_be_refused_there_is_not_taken(house: House, file: Path) -> None:
    file.write_text("<html>moved</html>")
    with pytest.raises(FileRefused, match="HTML"):
        submit(file, house.landing, Asserted(WEEK))
    assert list(house.landing.rglob("*")) == []


def test_a_name_that_is_never_looked_at_is_not_taken(house: House, file: Path) -> None:
    for name in ("_otc.csv", "otc.doc"):
        renamed = file.with_name(name)
        renamed.write_bytes(GOOD)
        with pytest.raises(FileRefused, match="would be ignored in the landing folder"):
            submit(renamed, house.landing, Asserted(WEEK))


def test_a_packed_file_is_taken_as_it_is(house: House, file: Path) -> None:
    packed = file.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(GOOD))
    done = submit(packed, house.landing, Asserted(WEEK))
    assert done.path.read_bytes() == packed.read_bytes()
    assert done.weeks == [WEEK]
