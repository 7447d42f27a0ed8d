"""A data folder whose weeks get reports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pytest

from spine_assets.otc.state.results import TableBuilt, WeekResult
from spine_assets.report import NAME, stored
from spine_assets.report.building import Reports
from spine_assets_tests.conftest import NOW, WEEK, House, built_tables, delivered, line

BEFORE = WEEK - timedelta(weeks=1)


@dataclass(frozen=True)
class Press:
    """Builds weeks and their reports."""

    house: House

    def deliver(
        self, week: date = WEEK, name: str = "otc.csv", *lines: str, tier: str = "OTC"
    ) -> None:
        """A file of a week, by default with two venues and symbols."""
        # After every publication of the weeks used here, and before NOW.
        content = lines or (
            line("AAAA", shares="300", trades="3", tier=tier, updated="2026-01-15"),
            line("BBBB", "OTCN", "100", "2", tier=tier, name="OTCN IDQS", updated="2026-01-15"),
        )
        self.house.drop(f"week_ending={week}/{name}", delivered(*content))

    def made(self, week: date = WEEK, *, now: datetime = NOW, force: bool = False) -> TableBuilt:
        """Build a week's tables and report."""
        result = self.house.built(week=week, now=now)
        reports = Reports(self.house.workplace(now), force=force)
        reports.add(result, self.house.workplace(now))
        assert result.error is None, result.error
        reports.close()
        return built_tables(result)[NAME]

    def alone(self, week: date = WEEK, *, now: datetime = NOW) -> WeekResult:
        """The report of a week whose tables are not built by this run."""
        result = WeekResult(week)
        Reports(self.house.workplace(now)).add(result, self.house.workplace(now))
        return result

    def page(self, week: date = WEEK) -> str:
        return stored.page_path(self.house.lake, week).read_text("utf-8")

    def text(self, week: date = WEEK) -> str:
        """What a reader sees, without tags, styles and drawings."""
        bare = re.sub(r"<(style|svg|script)\b.*?</\1>", " ", self.page(week), flags=re.S)
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", bare))

    def index(self) -> str:
        return stored.index_path(self.house.lake).read_text("utf-8")


@pytest.fixture
def press(house: House) -> Press:
    return Press(house)
