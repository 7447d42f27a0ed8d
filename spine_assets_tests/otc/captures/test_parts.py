"""A file of both classes is two captures: made, read again and completed each on its own."""

from __future__ import annotations

from datetime import timedelta

import pytest

from spine_assets.core.weeks import VenueClass
from spine_assets.otc.captures import delivered, pending, storage
from spine_assets.otc.captures.model import Capture
from spine_assets.otc.delivery.placement import Grain
from spine_assets_tests.conftest import (
    NOW,
    SYMBOLS,
    WEEK,
    House,
    built_tables,
    check_of,
    line,
    with_columns,
)
from spine_assets_tests.conftest import delivered as file_of
from spine_assets_tests.support.other_version import upgrade

ATS, NON_ATS = VenueClass.ATS, VenueClass.NON_ATS
CODES = with_columns(summaryTypeCode="")[0]
FIRM = line(mpid="", name="CITADEL", shares="7")
BOTH = file_of(
    f"{line()}|ATS_W_SMBL_FIRM",
    f"{FIRM}|OTC_W_SMBL_FIRM",
    f"{line('BBBB', shares='x')}|OTC_W_SMBL_FIRM",
    f"{line(mpid='', name='')}|ATS_W_SMBL",
    f"{line('BBBB', shares='50')}|ATS_W_SMBL_FIRM",
    header=CODES,
)
"""ATS: lines 2 and 6; non-ATS: line 3 and the reject of line 4; line 5 is a total."""
LATER = NOW + timedelta(days=1)


def stored(house: House) -> dict[VenueClass, Capture]:
    """The captures by class."""
    return {item.venue_class: item for item in storage.stored(house.lake, WEEK)}


def symbols(house: House) -> list[tuple[object, ...]]:
    """Symbol, and its shares in both classes."""
    columns = ("symbol", "ats_volume", "non_ats_volume")
    rows = house.table(SYMBOLS).select(columns).sort("symbol")
    return [tuple(None if v is None else str(v).rstrip("0.") for v in row) for row in rows.rows()]


BOTH_CLASSES = [("AAAA", "1", "7"), ("BBBB", "5", "")]


def test_a_file_of_both_classes_is_a_capture_of_each(house: House) -> None:
    house.drop("both.csv", BOTH)
    result = house.built()
    found = stored(house)
    assert {
        kind: (item.rows, item.reject_lines, item.other_lines, item.lines_counted)
        for kind, item in found.items()
    } == {ATS: (2, 0, 3, 6), NON_ATS: (1, 1, 3, 6)}
    assert found[ATS].capture_id == found[NON_ATS].capture_id[:29] + "-ats-venues"
    assert found[ATS].sha256 == found[NON_ATS].sha256
    assert len(delivered.held(house.lake, WEEK)) == 1
    assert check_of(result, "otc_raw", "conservation").passed
    rejects = check_of(result, "otc_raw", "rejects")
    assert (rejects.facts["rejects"], rejects.facts["lines"]) == (1, 6)
    assert symbols(house) == BOTH_CLASSES


def test_totals_are_deliveries_apart_from_rows_by_venue(house: House) -> None:
    house.drop("both.csv", BOTH)
    landing = house.scan()
    assert [item.placement.venue_class for item in landing.deliveries] == [ATS, NON_ATS]
    assert [(item.placement.venue_class, item.placement.grain) for item in landing.totals] == [
        (ATS, Grain.TOTALS)
    ]
    assert house.scan() == landing  # from the index
    assert landing.unusable == ()


def test_built_again_nothing_is_left_to_capture(house: House) -> None:
    house.drop("both.csv", BOTH)
    house.drop("again.csv", BOTH)
    house.built()
    assert pending.uncaptured(house.scan(), storage.names(house.lake)) == []
    result = house.built(now=LATER)
    assert all(table.unchanged for table in built_tables(result).values())
    assert len(storage.stored(house.lake, WEEK)) == 2


def test_the_class_that_a_killed_run_did_not_capture_is_captured_by_the_next(house: House) -> None:
    house.drop("both.csv", BOTH)
    house.built()
    lost = stored(house)[NON_ATS]
    storage.raw_path(house.lake, lost).unlink()
    (left,) = pending.uncaptured(house.scan(), storage.names(house.lake))
    assert left.week_ending == WEEK
    house.built(now=LATER)
    assert stored(house).keys() == {ATS, NON_ATS}
    assert symbols(house) == BOTH_CLASSES


def test_each_capture_is_read_again_as_its_part(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("both.csv", BOTH)
    house.built()
    before = stored(house)
    (house.landing / "both.csv").unlink()
    upgrade(monkeypatch)
    house.built(now=LATER)
    after = stored(house)
    assert {kind: (item.rows, item.other_lines) for kind, item in after.items()} == {
        ATS: (2, 3),
        NON_ATS: (1, 3),
    }
    assert {kind: item.capture_id for kind, item in after.items()} == {
        kind: item.capture_id for kind, item in before.items()
    }
    assert after[ATS].parser != before[ATS].parser
    assert symbols(house) == BOTH_CLASSES


def of_both(symbols_of_ats: range, symbols_of_others: range) -> bytes:
    """A file with rows of both classes."""
    return file_of(
        *(f"{line(f'A{n}')}|ATS_W_SMBL_FIRM" for n in symbols_of_ats),
        *(f"{line(f'N{n}', mpid='', name='CITADEL')}|OTC_W_SMBL_FIRM" for n in symbols_of_others),
        header=CODES,
    )


def test_two_halves_of_a_class_are_refused_whatever_the_files_hold_of_the_other(
    house: House,
) -> None:
    """Each ATS part is small beside the whole of another file, so that it may wait."""
    house.drop("x.csv", of_both(range(5), range(25)))
    house.drop("y.csv", of_both(range(5, 10), range(25, 50)))
    house.drop("z.csv", of_both(range(50), range(0)))
    result = house.build()
    told = check_of(result, "otc_raw", "delivery")
    assert not told.passed
    assert "two parts" in told.summary
    assert {name for name in ("x.csv", "y.csv") if name in str(told.samples)} == {"x.csv", "y.csv"}
    assert NON_ATS not in stored(house)


def test_the_content_of_a_capture_whose_name_is_not_known_is_kept(house: House) -> None:
    first = house.drop("both.csv", BOTH)
    house.built()
    held = delivered.held(house.lake, WEEK)
    for path in house.lake.files("otc_raw", WEEK):
        path.rename(path.with_name(path.name.replace("-venues", "-of-tomorrow")))
    first.unlink()
    house.drop("other.csv", file_of(line("CCCC")))
    house.built(now=LATER)
    assert held <= delivered.held(house.lake, WEEK)
