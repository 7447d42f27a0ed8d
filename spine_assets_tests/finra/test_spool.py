"""Pages that are kept so that a broken fetch goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.finra.api import Dataset, Question
from spine_assets.finra.last_checked import LastChecked
from spine_assets.finra.spool import Spool, spooled

WEEK = date(2025, 11, 21)
QUESTION = Question(WEEK, Tier.OTC, Dataset.CURRENT, VenueClass.ATS)
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
ROWS = [{"issueSymbolIdentifier": name, "totalWeeklyShareQuantity": 1} for name in "ABC"]


@contextmanager
def broken_off(folder: Path) -> Iterator[Path]:
    """A fetch of three rows of which two came."""
    with spooled(folder, QUESTION, NOON) as spool:
        spool.add(ROWS[:1], 3)
        spool.add(ROWS[1:2], 3)
        yield spool.path


def test_a_broken_fetch_goes_on_after_the_rows_it_has(tmp_path: Path) -> None:
    with broken_off(tmp_path):
        pass
    with spooled(tmp_path, QUESTION, NOON + timedelta(minutes=5)) as spool:
        assert (spool.rows, spool.total, spool.resumed) == (ROWS[:2], 3, 2)
        assert spool.begun == NOON
        spool.add(ROWS[2:], 3)
    with spooled(tmp_path, QUESTION, NOON + timedelta(minutes=6)) as spool:
        assert spool.rows == ROWS


def test_a_line_that_was_being_written_is_dropped(tmp_path: Path) -> None:
    with broken_off(tmp_path) as path, path.open("a") as file:
        file.write('[{"issueSymbolIdent')
    with spooled(tmp_path, QUESTION, NOON) as spool:
        assert spool.rows == ROWS[:2]
        spool.add(ROWS[2:], 3)
    with spooled(tmp_path, QUESTION, NOON) as spool:
        assert spool.rows == ROWS


@pytest.mark.parametrize("at", [NOON + timedelta(hours=1), NOON - timedelta(seconds=1)])
def test_what_is_old_or_of_the_future_is_fetched_anew(tmp_path: Path, at: datetime) -> None:
    with broken_off(tmp_path):
        pass
    with spooled(tmp_path, QUESTION, at) as spool:
        assert (spool.rows, spool.total, spool.begun) == ([], None, at)


@pytest.mark.parametrize(
    "damage", ["", "\n", "[]\n", '{"begun": 1}\n', "\x00\n", '{"total": 3}\n[1]\n']
)
def test_a_damaged_spool_is_fetched_anew(tmp_path: Path, damage: str) -> None:
    with broken_off(tmp_path) as path:
        path.write_text(damage)
    with spooled(tmp_path, QUESTION, NOON) as spool:
        assert (spool.rows, spool.total) == ([], None)


def test_more_rows_than_there_are_is_fetched_anew(tmp_path: Path) -> None:
    with spooled(tmp_path, QUESTION, NOON) as spool:
        spool.add(ROWS, 2)
    with spooled(tmp_path, QUESTION, NOON) as spool:
        assert spool.rows == []


def test_exact_decimals_stay_exact(tmp_path: Path) -> None:
    exact = Decimal("1234567890123456789.123456")
    with spooled(tmp_path, QUESTION, NOON) as spool:
        spool.add([{"totalWeeklyShareQuantity": exact}], 2)
    with spooled(tmp_path, QUESTION, NOON) as spool:
        assert Decimal(spool.rows[0]["totalWeeklyShareQuantity"]) == exact


def test_what_is_used_is_forgotten(tmp_path: Path) -> None:
    with spooled(tmp_path, QUESTION, NOON) as spool:
        spool.add(ROWS, 3)
        spool.drop()
        assert not spool.path.exists()
    with spooled(tmp_path, QUESTION, NOON) as spool:
        assert isinstance(spool, Spool)
        assert spool.rows == []


class TestLooks:
    KEY = (WEEK, Tier.OTC, VenueClass.NON_ATS)

    def test_two_processes_keep_each_others_looks(self, tmp_path: Path) -> None:
        one, other = LastChecked(tmp_path / "looks.json"), LastChecked(tmp_path / "looks.json")
        second = (WEEK, Tier.NMS_TIER_1, VenueClass.ATS)
        one.add(self.KEY, NOON)
        other.add(second, NOON)
        again = LastChecked(tmp_path / "looks.json")
        assert {key: again.last(key) for key in (self.KEY, second)} == {
            self.KEY: NOON,
            second: NOON,
        }

    @pytest.mark.parametrize("damage", ["", "[]", '{"a": "b"}', '{"2025-11-21/OTC/ATS": 1}'])
    def test_a_damaged_file_is_an_empty_one(self, tmp_path: Path, damage: str) -> None:
        (tmp_path / "looks.json").write_text(damage)
        looks = LastChecked(tmp_path / "looks.json")
        assert self.KEY not in looks
        looks.add(self.KEY, NOON)
        assert LastChecked(tmp_path / "looks.json").last(self.KEY) == NOON
