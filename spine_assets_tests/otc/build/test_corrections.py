"""What a correction changed is told row by row, and adds up."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from spine_assets.cli import main
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.build import corrections
from spine_assets.otc.captures import pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.steps import Correction, RowChange, steps
from spine_assets.otc.tables.registry import table
from spine_assets_tests.conftest import (
    NOW,
    PUBLISHED_TIER_1,
    REVISED,
    SHARES,
    WEEK,
    House,
    delivered,
    line,
)

KEY = (Tier.OTC, VenueClass.ATS)
LATER = NOW + timedelta(days=1)
OTHERS = [line(f"Z{n:02}", shares="0", trades="0") for n in range(20)]  # of both, unchanged
FIRST = delivered(
    *OTHERS,
    line("KEPT", shares="5"),
    line("GONE", shares="7", trades="3"),
    line("MORE", shares="10.5"),
    line("NAME", issue="Old Corp"),
)
SECOND = delivered(
    *OTHERS,
    line("KEPT", shares="5"),
    line("MORE", shares="30", updated=REVISED),
    line("NAME", issue="New Corp"),
    line("NEWS", shares="1", trades="1", updated=REVISED),
    line("", shares="2"),
)


@pytest.fixture
def corrected(house: House) -> House:
    """A week whose second file removes, changes, renames and adds a symbol."""
    house.drop("first.csv", FIRST)
    house.built()
    house.drop("second.csv", SECOND)
    house.built(now=LATER)
    return house


def told(house: House) -> list[Correction]:
    """All steps of the week."""
    known, said = captures.stored(house.lake, WEEK), pins.stored(house.lake, WEEK)
    return [corrections.correction(house.lake, WEEK, s) for s in steps(known, said)]


def test_each_row_that_differs_is_told_with_both_figures(corrected: House) -> None:
    (found,) = told(corrected)
    assert found.rows.rows() == [
        ("MORE", "OTCX", "changed", Decimal("10.5"), 30, 2, 2),
        ("GONE", "OTCX", "removed", 7, None, 3, None),
        ("NEWS", "OTCX", "added", None, 1, None, 1),
        ("NAME", "OTCX", "relabelled", 100, 100, 2, 2),
    ]
    assert found.counts == dict.fromkeys(RowChange, 1)
    assert (found.rows_before, found.rows_after) == (24, 24)
    assert [found.shares_before, found.shares_after] == [Decimal("122.5"), Decimal(136)]
    assert (found.rejects_before, found.rejects_after) == (0, 1)


def test_a_week_without_correction_has_no_step(house: House) -> None:
    house.drop("first.csv", FIRST)
    house.drop(
        "tier1.csv",
        delivered(line("LATE", tier="NMS Tier 1", updated=PUBLISHED_TIER_1)),
    )
    house.built()
    assert told(house) == []


def test_a_pin_is_a_step_back_and_its_release_a_step_forth(corrected: House) -> None:
    first, second = captures.stored(corrected.lake, WEEK)
    for days, chosen in ((2, first.capture_id), (3, pins.RELEASED)):
        pins.add(corrected.lake, WEEK, KEY, chosen, NOW + timedelta(days=days))
    ids = [
        (step.before and step.before.capture_id, step.after and step.after.capture_id)
        for step in (item.step for item in told(corrected))
    ]
    forth = (first.capture_id, second.capture_id)
    assert ids == [forth, forth[::-1], forth]


def test_a_correction_that_came_with_what_it_corrects_is_told(house: House) -> None:
    house.drop("first.csv", FIRST)
    house.drop("second.csv", SECOND)
    house.built()
    (found,) = told(house)
    assert found.shares_after == 136


figures = st.dictionaries(
    st.sampled_from(["AAAA", "BBBB", "CCCC", "DDDD"]), st.integers(-1, 9), min_size=1
)


@given(figures, figures)
def test_the_rows_add_up_to_the_totals(old: dict[str, int], new: dict[str, int]) -> None:
    before, after = (
        pl.DataFrame(
            {
                "symbol": list(side),
                "mpid": ["OTCX"] * len(side),
                "share_volume": pl.Series(list(side.values())).cast(pl.Decimal(28, 6)),
                "trade_count": [1] * len(side),
                "issue_name": list(side),
                "venue_name": [""] * len(side),
                "last_update_date": [WEEK] * len(side),
            }
        )
        for side in (old, new)
    )
    rows = corrections._compare(before, after)
    by_symbol = {symbol: (kind, was, now) for symbol, _, kind, was, now, *_ in rows.iter_rows()}
    expected = {
        symbol: (
            "added" if symbol not in old else "removed" if symbol not in new else "changed",
            old.get(symbol),
            new.get(symbol),
        )
        for symbol in {*old, *new}
        if old.get(symbol) != new.get(symbol)
    }
    assert by_symbol == expected


class TestCommands:
    @pytest.fixture(autouse=True)
    def here(self, corrected: House, monkeypatch: pytest.MonkeyPatch) -> None:
        """The commands work on the corrected week."""
        monkeypatch.setenv("SPINE_DATA_DIR", str(corrected.root))

    def spine(self, *words: str) -> Result:
        return CliRunner().invoke(main, list(words))

    def test_diff_for_programs_lists_all_rows(self) -> None:
        (step,) = json.loads(self.spine("diff", str(WEEK), "--json").output)
        assert {name: step[name] for name in step if name.startswith("rows_")} == {
            "rows_added": 1,
            "rows_removed": 1,
            "rows_changed": 1,
            "rows_relabelled": 1,
            "rows_before": 24,
            "rows_after": 24,
        }
        assert (step["shares_before"], step["shares_after"]) == ("122.5", 136)
        assert len(step["rows"]) == 4

    def test_diff_for_people_shows_totals_and_the_largest_changes(self) -> None:
        output = self.spine("diff", str(WEEK), "--limit", "2").output
        assert "1 added, 1 removed, 1 changed, 1 relabelled rows" in output
        assert "Largest changes (2 of 3)" in output
        assert "+13.5" in output
        assert "NEWS" not in output

    def test_diff_since_a_time_compares_with_what_counted_then(self) -> None:
        (whole,) = json.loads(
            self.spine("diff", str(WEEK), "--since", "2026-01-19", "--json").output
        )
        assert (whole["capture_from"], whole["rows_added"]) == (None, 24)
        assert (
            json.loads(self.spine("diff", str(WEEK), "--since", "2026-01-22", "--json").output)
            == []
        )

    def test_diff_of_a_week_that_never_came_says_so(self) -> None:
        result = self.spine("diff", "2025-11-14")
        assert result.exit_code == 1
        assert "nothing of week 2025-11-14 is captured" in result.output

    def test_export_writes_a_table_as_it_is_and_as_it_was(self, tmp_path: Path) -> None:
        now = self.spine("export", "--table", SHARES, "--week", str(WEEK)).output
        then = self.spine(
            "export", "--table", SHARES, "--week", str(WEEK), "--as-of", "2026-01-21T11:59:59Z"
        ).output
        column = now.splitlines()[0].split(",").index("total_volume")
        assert [text.splitlines()[1].split(",")[column] for text in (then, now)] == ["122.5", "136"]

    @pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
    def test_export_writes_the_format_that_the_name_tells(self, tmp_path: Path, kind: str) -> None:
        out = tmp_path / f"share.{kind}"
        words = ("--table", SHARES, "--week", str(WEEK), "--out", str(out))
        assert self.spine("export", *words).exit_code == 0
        frame = getattr(pl, f"read_{kind}")(out)
        assert frame.columns == [column.name for column in table(SHARES).columns]
        assert [int(volume) for volume in frame["total_volume"]] == [136]
        assert list(tmp_path.glob(".*.tmp")) == []

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--as-of", "2999-01-01"), "is in the future"),
            (("--as-of", "yesterday"), "is not a time"),
            (("--as-of", "2026-01-01"), "was captured by 2026-01-01 00:00:00 UTC"),
            (("--format", "parquet"), "--out"),
            (("--out", "share.doc"), "--format"),
            (("--week", "2025-11-14"), "is not built; run dagster asset materialize"),
        ],
    )
    def test_export_refuses_what_it_cannot_answer(self, words: tuple[str, ...], said: str) -> None:
        result = self.spine("export", "--table", SHARES, "--week", str(WEEK), *words)
        assert result.exit_code != 0
        assert said in result.output
