"""A person may choose which capture counts, and take it back; both are remembered."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from spine_assets.cli import main
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.captures import pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.pins import PinAction
from spine_assets.otc.state.freshness import Freshness, freshness
from spine_assets.otc.state.results import CheckResult, WeekResult
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect
from spine_assets_tests.conftest import NOW, REVISED, VENUES, WEEK, House, delivered, line

KEY = (Tier.OTC, VenueClass.ATS)
FIRST = delivered(line("AAAA", shares="100"))
CORRECTED = delivered(line("AAAA", shares="90", updated=REVISED), line("BBBB"))


@pytest.fixture
def corrected(tmp_path: Path) -> House:
    """A week whose corrected file is current."""
    house = House(tmp_path)
    house.drop("first.csv", FIRST)
    house.built()
    house.drop("corrected.csv", CORRECTED)
    house.built(now=NOW + timedelta(days=1))
    return house


def shares(house: House) -> dict[str, Decimal]:
    """Volume by symbol as the table has it, checked against the view of current raw rows."""
    with connect(house.lake, TABLES) as warehouse:
        table, view = (
            dict(warehouse.execute(f"SELECT symbol, share_volume FROM {name}").fetchall())
            for name in (VENUES, "otc_raw_current")
        )
    assert table == view
    return table


def first_id(house: House) -> str:
    return captures.stored(house.lake, WEEK)[0].capture_id


def test_a_pinned_capture_counts_and_a_release_undoes_it(corrected: House) -> None:
    assert shares(corrected) == {"AAAA": 90, "BBBB": 100}
    pins.add(corrected.lake, WEEK, KEY, first_id(corrected), NOW)
    held = captures.known_of(corrected.lake, WEEK)
    assert freshness(corrected.lake, VENUES, WEEK, held) is Freshness.STALE
    corrected.built()
    assert shares(corrected) == {"AAAA": 100}
    pins.add(corrected.lake, WEEK, KEY, pins.RELEASED, NOW + timedelta(hours=1))
    corrected.built()
    assert shares(corrected) == {"AAAA": 90, "BBBB": 100}
    assert len(pins.stored(corrected.lake, WEEK)) == 2


def test_a_pin_counts_from_its_moment_on(corrected: House) -> None:
    moment = NOW + timedelta(days=2)
    pins.add(corrected.lake, WEEK, KEY, first_id(corrected), moment)
    before, then = (
        captures.current_of(corrected.lake, WEEK, at)[KEY].capture_id
        for at in (moment - timedelta(microseconds=1), moment)
    )
    assert (before == first_id(corrected), then == first_id(corrected)) == (False, True)


def test_the_later_of_two_pins_counts(corrected: House) -> None:
    ids = [item.capture_id for item in captures.stored(corrected.lake, WEEK)]
    for hours, chosen in enumerate((ids[1], ids[0])):
        pins.add(corrected.lake, WEEK, KEY, chosen, NOW + timedelta(days=2, hours=hours))
    assert captures.current_of(corrected.lake, WEEK)[KEY].capture_id == ids[0]


def test_a_pin_holds_against_later_captures_and_they_say_so(corrected: House) -> None:
    pins.add(corrected.lake, WEEK, KEY, first_id(corrected), NOW + timedelta(hours=30))
    third = delivered(line("AAAA", shares="80", updated="2026-01-02"), line("CCCC"))
    corrected.drop("third.csv", third)
    result = corrected.built(now=NOW + timedelta(days=2))
    assert shares(corrected) == {"AAAA": 100}
    told = not_current(result)
    assert len(told) == 1
    assert "spine captures use" in told[0]


def test_a_week_of_which_all_is_retracted_has_no_rows(tmp_path: Path) -> None:
    """In a lake that nobody has opened views on."""
    house = House(tmp_path)
    house.drop("first.csv", FIRST)
    house.built()
    pins.add(house.lake, WEEK, KEY, first_id(house), NOW, PinAction.RETRACT)
    house.built()
    assert [house.table(name).height for name in (VENUES, "otc_venue_share")] == [0, 0]


def test_a_pin_of_one_tier_leaves_the_others_alone(corrected: House) -> None:
    pins.add(corrected.lake, WEEK, (Tier.NMS_TIER_2, VenueClass.ATS), first_id(corrected), NOW)
    corrected.built()
    assert shares(corrected) == {"AAAA": 90, "BBBB": 100}


def test_a_pin_whose_capture_is_gone_counts_for_nothing(corrected: House) -> None:
    pins.add(corrected.lake, WEEK, KEY, first_id(corrected), NOW)
    captures.raw_path(corrected.lake, captures.stored(corrected.lake, WEEK)[0]).unlink()
    (corrected.landing / "first.csv").unlink()
    corrected.built()
    assert shares(corrected) == {"AAAA": 90, "BBBB": 100}


def test_of_two_files_of_one_date_in_one_run_the_loser_is_told(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.drop("a.csv", FIRST)
    house.drop("b.csv", delivered(line("AAAA", shares="999")))
    assert len(not_current(house.built())) == 1


def test_a_correction_that_lacks_many_rows_is_told_as_truncated(tmp_path: Path) -> None:
    house = House(tmp_path)
    symbols = [f"S{number}" for number in range(10)]
    house.drop("whole.csv", delivered(*map(line, symbols)))
    house.built()
    house.drop("cut.csv", delivered(*map(line, [*symbols[:8], "X1", "X2"])))
    told = findings(house.built(now=NOW + timedelta(days=1)), "truncated_file")
    assert len(told) == 1
    assert "it lacks 2 of the 10 rows of the capture it replaces" in told[0]


def not_current(result: WeekResult) -> list[str]:
    """What the `delivery` check says of captures that do not count."""
    return findings(result, "capture_not_current")


def findings(result: WeekResult, kind: str) -> list[str]:
    """Details of the `delivery` check's findings of a kind."""
    return [
        row["detail"]
        for event in result.events
        if isinstance(event, CheckResult) and event.check == "delivery"
        for row in event.samples
        if row["finding"] == kind
    ]


def test_the_command_lists_captures_and_pins_one(
    corrected: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_DATA_DIR", str(corrected.root))
    monkeypatch.setenv("SPINE_LAKE", str(corrected.lake.root))
    run = CliRunner()
    chosen = first_id(corrected)
    before = run.invoke(main, ["captures"]).output
    assert chosen in before
    assert before.count("current: no other") == 1
    assert before.count("waiting: it has 1") == 1
    said = run.invoke(main, ["captures", "use", chosen])
    assert said.exit_code == 0
    assert f"--partition {WEEK}" in said.output
    corrected.built()
    assert shares(corrected) == {"AAAA": 100}
    assert "pinned: a person" in run.invoke(main, ["captures", "--week", str(WEEK)]).output
    assert run.invoke(main, ["captures", "use", chosen, "--release"]).exit_code == 0
    corrected.built()
    assert shares(corrected) == {"AAAA": 90, "BBBB": 100}


def test_an_unknown_capture_is_an_error(corrected: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINE_LAKE", str(corrected.lake.root))
    result = CliRunner().invoke(main, ["captures", "use", "20260101T000000Z-abcdefabcdef"])
    assert result.exit_code == 1
    assert "there is no capture" in result.output
