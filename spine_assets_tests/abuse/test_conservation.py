"""No line, share or trade disappears without a record, whatever is delivered."""

from __future__ import annotations

import gzip
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spine_assets.lake.base import LakeError
from spine_assets.otc.delivery import deliveries
from spine_assets_tests.abuse import storage_laws
from spine_assets_tests.abuse.damage import DAMAGE, DROPS, Damage, Drop
from spine_assets_tests.abuse.deliveries import BadFile, bad_file, week_files
from spine_assets_tests.abuse.file_laws import CAPTURE_DAY, check_file
from spine_assets_tests.abuse.odd_values import ODD_DATES, ODD_NUMBERS, ODD_TEXT
from spine_assets_tests.abuse.oracle import API_COLUMNS, COLUMNS, account
from spine_assets_tests.abuse.week_laws import check_week
from spine_assets_tests.conftest import WEEK, House, delivered, line
from spine_assets_tests.support.examples import examples

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def bounded(number: int) -> settings:
    """The same files in every run; `python -m spine_assets_tests.abuse.fuzz` looks further."""
    return settings(
        max_examples=examples(number), deadline=None, derandomize=True, suppress_health_check=SLOW
    )


@pytest.fixture(scope="session")
def index_house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return storage_laws.known_landing(tmp_path_factory.mktemp("index"))


@pytest.fixture(scope="session")
def lake_house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return storage_laws.known_lake(tmp_path_factory.mktemp("lake"))


def fresh(factory: pytest.TempPathFactory) -> Path:
    """A folder of its own for each example."""
    return factory.mktemp("example") / "data"


# --- the oracle itself, by hand


def test_the_oracle_counts_a_file_as_a_person_does() -> None:
    texts = ("", line("AAAA"), " ", line("BBBB", shares="x"), "OTC|short", line("CCCC", "", "2.5"))
    found = account(delivered(*texts), CAPTURE_DAY)
    assert (found.physical, found.blank) == (7, 2)
    assert [item.number for item in found.accepted] == [3, 7]
    assert [(item.number, item.raw, item.faults) for item in found.rejected] == [
        (5, line("BBBB", shares="x"), {"totalWeeklyShareQuantity": {"NOT_A_NUMBER"}}),
        (6, "OTC|short", {"": {"FIELD_COUNT"}}),
    ]
    assert found.shares == Decimal("102.5")


def test_a_quantity_beside_a_bad_byte_is_readable() -> None:
    content = delivered(line("AAAA"), line("BBBB", issue="?")).replace(b"?", b"\xe9")
    check_file(BadFile("week_ending=2025-11-21/otc.csv", content), Counter())
    assert account(content, CAPTURE_DAY).shares == 200


def test_rejects_of_more_than_28_digits_together_keep_no_week_from_being_built(
    house: House,
) -> None:
    largest = "9" * 22 + ".999999"
    cut = [line(symbol, shares=largest, trades="x") for symbol in ("BBBB", "CCCC")]
    house.drop("otc.csv", delivered(line("AAAA"), *cut))
    house.built()


def test_an_index_that_names_another_week_loads_nothing_there(house: House) -> None:
    house.drop("otc.csv", delivered(line()))
    house.scan()
    house.index.write_text(house.index.read_text().replace("2025-11-21", "2025-11-14"))
    assert house.scan().weeks() == [WEEK]


@pytest.mark.parametrize("column", [*COLUMNS, *API_COLUMNS])
def test_each_odd_value_in_each_column_is_judged_as_a_person_would(column: str) -> None:
    names = COLUMNS if column in COLUMNS else (*COLUMNS, column)
    good = dict(zip(COLUMNS, line().split("|"), strict=True))
    odd = [*ODD_NUMBERS, *ODD_DATES, *ODD_TEXT]
    rows = [
        good,
        *({**good, "issueSymbolIdentifier": f"S{n}", column: v} for n, v in enumerate(odd)),
    ]
    texts = ["|".join(row.get(name, "") for name in names) for row in rows]
    content = delivered(*texts, header="|".join(names))
    check_file(BadFile("week_ending=2025-11-21/class=ats/otc.csv", content), Counter())


# --- any file


@given(bad_file())
@bounded(300)
def test_every_line_and_share_of_any_file_is_accounted_for(file: BadFile) -> None:
    check_file(file, Counter())


@given(week_files())
@bounded(25)
def test_every_row_and_share_of_any_week_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[BadFile, str]]
) -> None:
    check_week(fresh(tmp_path_factory), files, Counter())


@given(bad_file())
@bounded(40)
def test_a_gzipped_file_is_placed_and_read_as_it_is_plain(
    tmp_path_factory: pytest.TempPathFactory, file: BadFile
) -> None:
    plain, zipped = (House(fresh(tmp_path_factory)) for _ in range(2))
    plain.drop(file.name, file.content)
    zipped.drop(f"{file.name}.gz", gzip.compress(file.content, 1))
    one, other = plain.scan(), zipped.scan()
    assert [item.reason for item in one.unusable] == [item.reason for item in other.unusable]
    assert [(item.sha256, item.placement) for item in one.deliveries] == [
        (item.sha256, item.placement) for item in other.deliveries
    ]
    assert all(deliveries.read(item) == file.content for item in other.deliveries)


# --- any damage


@given(DROPS)
@bounded(30)
def test_no_file_of_any_name_or_packing_vanishes_from_the_landing_folder(
    tmp_path_factory: pytest.TempPathFactory, drops: list[Drop]
) -> None:
    storage_laws.check_landing(fresh(tmp_path_factory), drops, Counter())


@given(DAMAGE)
@bounded(40)
def test_a_damaged_index_changes_nothing_that_a_scan_finds(
    index_house: House, damage: Damage
) -> None:
    storage_laws.check_index(index_house, damage, Counter())


@given(st.integers(0, 7), DAMAGE, st.booleans())
@bounded(20)
def test_a_damaged_lake_file_ends_in_an_error_or_the_same_figures(
    tmp_path_factory: pytest.TempPathFactory,
    lake_house: House,
    which: int,
    damage: Damage,
    force: bool,
) -> None:
    root = fresh(tmp_path_factory)
    storage_laws.check_lake(lake_house, root, which, damage, force, Counter())


def test_a_stored_column_of_another_name_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    """A flipped bit in the footer, where Parquet itself keeps no checksum."""
    house = House(tmp_path)
    house.drop(f"week_ending={WEEK}/otc.csv", delivered(line("AAAA"), line("BBBB", mpid="")))
    house.built()
    (rule,) = (house.lake.root / "otc_rejects" / f"week_ending={WEEK}").glob("rule.*")
    stored = rule.read_bytes()
    assert b"source_file" in stored
    rule.write_bytes(stored.replace(b"source_file", b"snurce_file"))
    for derived in house.lake.root.glob(f"otc_venue_volume/week_ending={WEEK}/*.parquet"):
        derived.unlink()
    found = house.build()
    assert isinstance(found.error, LakeError)
    assert f"{rule} cannot be read" in str(found.error)
    rule.write_bytes(stored)
    assert house.build().error is None
