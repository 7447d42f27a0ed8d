"""Restatements are rows: one a step, built from captures and pins alone, checked and told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from polars.testing import assert_frame_equal

from spine_assets.cli import main
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.build import builders, corrections
from spine_assets.otc.captures import pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.past.as_of import table_as_of
from spine_assets.otc.state.freshness import Freshness, freshness
from spine_assets.otc.state.results import WeekResult
from spine_assets.pipelines.weeks_to_build import is_stale
from spine_assets_tests.conftest import (
    ALL,
    NOW,
    PUBLISHED,
    PUBLISHED_TIER_1,
    REVISED,
    WEEK,
    House,
    built_tables,
    check_of,
    delivered,
    line,
)

NAME = "otc_restatements"
KEY = (Tier.OTC, VenueClass.ATS)
LATER = NOW + timedelta(days=1)
OTHERS = [line(f"Z{n:02}", shares="0", trades="0") for n in range(20)]  # of both, unchanged
FIRST = delivered(
    *OTHERS,
    line("KEPT", shares="5"),
    line("GONE", shares="7"),
    line("MORE", shares="10.5"),
    line("NAME", issue="Old Corp"),
)
SECOND = delivered(
    *OTHERS,
    line("KEPT", shares="5"),
    line("MORE", shares="30", updated=REVISED),
    line("NAME", issue="New Corp"),
    line("NEWS", shares="1", updated=REVISED),
    line("", shares="2"),
)
TIER_1 = delivered(line("LATE", tier="NMS Tier 1", updated=PUBLISHED_TIER_1))


@pytest.fixture
def corrected(house: House) -> House:
    """A week captured at NOW and corrected a day later, with a tier that never was."""
    house.drop("first.csv", FIRST)
    house.drop("tier1.csv", TIER_1)
    house.built()
    house.drop("second.csv", SECOND)
    house.built(now=LATER)
    return house


def steps(house: House, *names: str) -> list[tuple[Any, ...]]:
    return house.table(NAME).select(names).rows()


def outcome(result: WeekResult, check: str) -> tuple[bool, str]:
    found = check_of(result, NAME, check)
    return found.passed, found.summary


def test_a_correction_is_a_row_with_what_it_changed(corrected: House) -> None:
    by_file = {item.source_file: item for item in captures.stored(corrected.lake, WEEK)}
    first, second = by_file["first.csv"], by_file["second.csv"]
    (row,) = corrected.table(NAME).to_dicts()
    assert row.pop("capture_id").startswith("20260121T120000Z-")
    assert row.pop("build_id").startswith("20260121T120000Z-")
    assert row == {
        "week_ending": WEEK,
        "tier": "OTC",
        "venue_class": "ATS",
        "step": 1,
        "from_capture_id": first.capture_id,
        "to_capture_id": second.capture_id,
        "captured_from": NOW.replace(tzinfo=None),
        "captured_to": LATER.replace(tzinfo=None),
        "displaced_at": LATER.replace(tzinfo=None),
        "rows_before": 24,
        "rows_after": 24,
        "rows_added": 1,
        "rows_removed": 1,
        "rows_changed": 1,
        "rows_relabelled": 1,
        "shares_before": Decimal("122.5"),
        "shares_after": Decimal(136),
        "share_change_pct": pytest.approx(13.5 / 122.5 * 100),
        "last_update_date": date.fromisoformat(REVISED),
    }


def test_a_week_that_was_never_restated_has_an_empty_file_and_reads_no_capture_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reread(*args: object) -> None:
        raise AssertionError("captures were compared")

    monkeypatch.setattr(corrections, "correction", reread)
    house.drop("first.csv", FIRST)
    house.drop("tier1.csv", TIER_1)
    result = house.built()
    assert house.table(NAME).height == 0
    assert freshness(house.lake, NAME, WEEK, captures.known_of(house.lake, WEEK)) is Freshness.FRESH
    assert outcome(result, "size") == (True, "never restated")
    assert outcome(result, "reconciles") == (True, "no step")


def test_steps_are_numbered_by_tier_and_class_and_lead_from_one_to_the_next(
    corrected: House,
) -> None:
    first = next(i for i in captures.stored(corrected.lake, WEEK) if i.source_file == "first.csv")
    for days, chosen in ((2, first.capture_id), (3, pins.RELEASED)):
        pins.add(corrected.lake, WEEK, KEY, chosen, NOW + timedelta(days=days))
    third = delivered(line("LATE", shares="1", tier="NMS Tier 1", updated=REVISED))
    corrected.drop(f"week_ending={WEEK}/tier1.csv", third)
    result = corrected.built(now=NOW + timedelta(days=4))
    assert outcome(result, "reconciles") == (True, "4 steps add up and end in the current captures")
    found = steps(corrected, "tier", "step", "rows_added", "shares_before", "shares_after")
    assert found == [
        ("NMS_TIER_1", 1, 0, 100, 1),
        ("OTC", 1, 1, Decimal("122.5"), 136),
        ("OTC", 2, 1, 136, Decimal("122.5")),
        ("OTC", 3, 1, Decimal("122.5"), 136),
    ]


def test_of_no_shares_before_the_change_is_not_told_in_percent(house: House) -> None:
    house.drop("first.csv", delivered(line("AAAA", shares="0", trades="0")))
    house.built()
    house.drop(f"week_ending={WEEK}/2.csv", delivered(line("AAAA", "OTCX", "5", updated=REVISED)))
    result = house.built(now=LATER)
    assert steps(house, "share_change_pct") == [(None,)]
    passed, said = outcome(result, "size")
    assert not passed
    assert "OTC ATS other shares, 100.0% of rows" in said


class TestWhatIsBuiltAgain:
    def versions(self, house: House, now: datetime) -> tuple[str, str, bool]:
        built = built_tables(house.built(now=now))[NAME]
        return built.data_version, built.facts["build_id"][-12:], built.unchanged

    def test_nothing_while_nothing_came(self, corrected: House) -> None:
        before = corrected.table(NAME)
        one = self.versions(corrected, LATER)
        two = self.versions(corrected, NOW + timedelta(days=9))
        assert one == two
        assert two[2]
        assert_frame_equal(corrected.table(NAME), before)

    def test_a_capture_that_does_not_count_is_an_input_here_and_of_no_other_table(
        self, corrected: House
    ) -> None:
        one = self.versions(corrected, LATER)
        older = delivered(line("KEPT", shares="5"), line("MORE", shares="11"))
        corrected.drop("older.csv", older)
        result = corrected.built(now=NOW + timedelta(days=2))
        built = built_tables(result)
        assert {name for name in ALL if built[name].unchanged} == {*ALL} - {"otc_raw", NAME}
        assert built[NAME].data_version != one[0]
        assert corrected.table(NAME).height == 1

    @pytest.mark.parametrize("same", [True, False])
    def test_a_pin_leaves_the_week_behind_until_it_is_built(
        self, corrected: House, same: bool
    ) -> None:
        one = self.versions(corrected, LATER)
        (counts,) = (
            i for i in captures.stored(corrected.lake, WEEK) if i.source_file == "second.csv"
        )
        chosen = counts.capture_id if same else pins.RELEASED
        pins.add(corrected.lake, WEEK, KEY, chosen, NOW + timedelta(days=2))
        assert is_stale(corrected.lake, [NAME], WEEK)
        assert not is_stale(corrected.lake, ["otc_venue_share"], WEEK)
        two = self.versions(corrected, NOW + timedelta(days=3))
        assert not is_stale(corrected.lake, [NAME], WEEK)
        assert (two[0] != one[0], two[1] != one[1], two[2]) == (True, True, False)
        assert corrected.table(NAME).height == 1

    def test_a_lost_or_damaged_file_from_captures_and_pins(self, corrected: House) -> None:
        before = corrected.table(NAME).drop("capture_id", "build_id")
        part = corrected.lake.part(NAME, WEEK)
        for spoil in (part.unlink, lambda: part.write_bytes(part.read_bytes()[:-9])):
            spoil()
            assert is_stale(corrected.lake, [NAME], WEEK)
            corrected.built({NAME}, now=NOW + timedelta(days=5))
            assert_frame_equal(corrected.table(NAME).drop("capture_id", "build_id"), before)


def test_the_same_files_in_the_same_order_give_the_same_version_whenever_they_came(
    corrected: House, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = House(tmp_path_factory.mktemp("other"))
    for name, content in (("first.csv", FIRST), ("tier1.csv", TIER_1), ("second.csv", SECOND)):
        other.drop(name, content)
    at_once = built_tables(other.built(now=LATER))[NAME]
    assert at_once.data_version == built_tables(corrected.built(now=LATER))[NAME].data_version
    assert at_once.facts["rows"] == 1


def test_as_of_a_time_the_table_tells_what_was_restated_by_then(corrected: House) -> None:
    before = table_as_of(corrected.lake, NAME, WEEK, LATER - timedelta(seconds=1))
    assert before.height == 0
    now = table_as_of(corrected.lake, NAME, WEEK, LATER)
    assert_frame_equal(
        now.drop("capture_id", "build_id"), corrected.table(NAME).drop("capture_id", "build_id")
    )


class TestSize:
    """The check names what changed over 5% of the shares or touched over 10% of the rows."""

    def said(self, house: House, second: list[str]) -> tuple[bool, str]:
        rows = [line(f"S{number:02}") for number in range(20)]
        house.drop("first.csv", delivered(*rows))
        house.built()
        house.drop("second.csv", delivered(*second, *rows[len(second) :]))
        result = house.built(now=LATER)
        assert outcome(result, "reconciles")[0]
        return outcome(result, "size")

    def test_small_ones_pass(self, house: House) -> None:
        changed = [line(f"S{n:02}", shares="150", updated=REVISED) for n in range(2)]
        assert self.said(house, changed) == (True, "1 restatements, none large")

    def test_many_shares_are_named_with_the_command_that_lists_them(self, house: House) -> None:
        passed, said = self.said(house, [line("S00", shares="201", updated=REVISED)])
        assert not passed
        assert "OTC ATS +5.1% shares, 5.0% of rows" in said
        assert f"`spine diff {WEEK}`" in said

    def test_many_rows_are_named(self, house: House) -> None:
        changed = [line(f"S{n:02}", shares="101", updated=REVISED) for n in range(3)]
        passed, said = self.said(house, changed)
        assert not passed
        assert "OTC ATS +0.1% shares, 15.0% of rows" in said

    def test_the_sample_is_the_restatements(self, corrected: House) -> None:
        found = check_of(corrected.built(now=LATER), NAME, "size")
        assert found.facts == {"restatements": 1, "large": 1}
        (row,) = found.samples
        assert (row["tier"], row["shares_after"], row["rows_removed"]) == ("OTC", "136", 1)


Spoil = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.mark.parametrize(
    ("check", "spoil"),
    [
        ("reconciles", lambda frame: frame.with_columns(rows_added=pl.lit(2, pl.Int64))),
        ("reconciles", lambda frame: frame.with_columns(pl.col("shares_after") + 1)),
        ("reconciles", lambda frame: frame.with_columns(pl.col("rows_after", "rows_before") + 1)),
        ("reconciles", lambda frame: frame.with_columns(to_capture_id=pl.lit("another"))),
        ("reconciles", lambda frame: frame.with_columns(from_capture_id=pl.lit("another"))),
        ("reconciles", lambda frame: frame.clear()),
        ("schema", lambda frame: frame.with_columns(from_capture_id="to_capture_id")),
        ("schema", lambda frame: pl.concat([frame, frame])),
    ],
)
def test_what_is_wrong_is_not_published(
    corrected: House, monkeypatch: pytest.MonkeyPatch, check: str, spoil: Spoil
) -> None:
    before = corrected.table(NAME)
    sound = builders.HISTORY_BUILDERS[NAME]
    monkeypatch.setitem(builders.HISTORY_BUILDERS, NAME, lambda *args: spoil(sound(*args)))
    result = corrected.build(now=LATER, force=True)
    assert f"{NAME} was not published" in str(result.error)
    assert not check_of(result, NAME, check).passed
    assert check_of(result, NAME, check).blocking
    assert_frame_equal(corrected.table(NAME), before)


def test_rejects_of_the_current_capture_are_left_out_of_its_account(house: House) -> None:
    """Rows of both stages, a twin and a negative one, in a tier spelled otherwise."""
    house.drop("first.csv", delivered(line("AAAA"), line("BBBB")))
    house.built()
    rows = [line("AAAA", shares="90", updated=REVISED, tier="otc"), line("BBBB", tier="otc")]
    bad = [line("CCCC", shares="-5", tier="otc"), rows[1], line("DDDD", shares="x", tier="otc")]
    house.drop("week_ending=2025-11-21/second.csv", delivered(*rows, *bad))
    result = house.built(now=LATER)
    assert outcome(result, "reconciles")[0]
    assert steps(house, "rows_after", "shares_after") == [(2, 190)]


class TestWeekCommand:
    @pytest.fixture(autouse=True)
    def here(self, corrected: House, monkeypatch: pytest.MonkeyPatch) -> None:
        """The command works on the corrected week."""
        monkeypatch.setenv("SPINE_DATA_DIR", str(corrected.root))
        monkeypatch.setenv("DAGSTER_HOME", str(corrected.root))

    def test_tells_people_when_and_by_how_much_a_week_was_restated(self) -> None:
        done = CliRunner().invoke(main, ["week", str(WEEK)])
        assert done.exit_code == 0, done.output
        assert (
            "Restated: OTC ATS on 2026-01-21 12:00 UTC, from 122.5 to 136 shares (+11.02%); "
            "rows: 1 added, 1 removed, 1 changed"
        ) in done.output
        assert f"spine diff {WEEK}" in done.output

    def test_tells_programs_the_same(self) -> None:
        done = CliRunner().invoke(main, ["week", str(WEEK), "--json"])
        (found,) = json.loads(done.output)["restatements"]
        assert (found["tier"], found["shares_before"], found["step"]) == ("OTC", "122.5", 1)
        assert found["last_update_date"] == REVISED
        assert PUBLISHED not in done.output


def test_of_no_rows_the_columns_are_still_held_to_the_declaration(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("first.csv", FIRST)
    assert outcome(house.built(), "schema") == (True, "no rows")
    sound = builders.HISTORY_BUILDERS[NAME]
    spoiled: tuple[Spoil, ...] = (
        lambda frame: frame.drop("last_update_date"),
        lambda frame: frame.with_columns(pl.col("rows_relabelled").cast(pl.Int32)),
        lambda frame: frame.select(*frame.columns[::-1]),
    )
    for spoil in spoiled:
        with monkeypatch.context() as patch:
            patch.setitem(builders.HISTORY_BUILDERS, NAME, lambda *args, s=spoil: s(sound(*args)))
            result = house.build(force=True)
        assert not outcome(result, "schema")[0]
