"""Files whose path, or whose rows, speak for a week that they do not hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

import dagster as dg
import pytest

from spine_assets.core.weeks import Tier, publication_day
from spine_assets_tests.conftest import line
from spine_assets_tests.support.projects import Outcome
from spine_assets_tests.support.sites import Site, Week, content, opened

ASKED = date(2025, 11, 14)
TRUE = ASKED + timedelta(weeks=1)
HALVED = date(2025, 10, 10)
REWRITTEN = date(2025, 9, 12)
EARLY = f"week_ending={ASKED}/early.csv"
HALVES = "halves.csv"


def day(week: date) -> str:
    return str(publication_day(week, Tier.OTC))


class Batch(NamedTuple):
    site: Site
    outcome: Outcome

    def week(self, week: date) -> Week:
        return self.site.week(week, self.outcome)


@pytest.fixture(scope="module")
def batch(
    tmp_path_factory: pytest.TempPathFactory, code_location: dg.Definitions
) -> Iterator[Batch]:
    """One run of all weeks."""
    with opened(tmp_path_factory.mktemp("weeks"), code_location, forgets=True) as site:
        site.drop(EARLY, content(*(line(f"S{n}", updated=day(TRUE)) for n in range(9))))
        halves = [(f"S{n}", HALVED + timedelta(weeks=n % 2)) for n in range(10)]
        site.drop(HALVES, content(*(line(symbol, updated=day(week)) for symbol, week in halves)))
        site.drop("rewritten.csv", content(line("GOOD", updated=day(REWRITTEN)), spelled()))
        yield Batch(site, site.runner.range(REWRITTEN, TRUE))


def refusals(batch: Batch) -> dict[str, str]:
    """What `spine status` says of each file that cannot be used, and the run said too."""
    told = json.loads(batch.site.spine("status", "--json").stdout)["unusable"]
    for item in told:
        assert f"unusable: {item['file']}: {item['reason']}" in batch.outcome.failure
    return {item["file"]: item["reason"] for item in told}


def spelled() -> str:
    """A line that breaks a rule, with a figure and spaces as FINRA would not write them."""
    return line(" ODD ", shares="-005.50", updated=day(REWRITTEN)) + "  "


def test_a_path_that_names_an_earlier_week_than_every_row_is_doubted(batch: Batch) -> None:
    told = batch.week(ASKED).findings()[EARLY]
    assert told.startswith("week_in_doubt")
    assert f"publication day of week ending {TRUE}" in told


def test_a_file_whose_rows_are_half_of_one_week_and_half_of_the_next_is_refused(
    batch: Batch,
) -> None:
    assert batch.week(HALVED).rows("symbol", "otc_raw") == []
    assert f"would be week ending {HALVED}" in refusals(batch)[HALVES]


def test_a_line_that_breaks_a_rule_keeps_its_place_and_figures(batch: Batch) -> None:
    week = batch.week(REWRITTEN)
    (reject,) = week.rejects
    assert (reject.source_line, f"{reject.share_volume:f}") == (3, "-5.500000")
    assert "|-5.5|" in reject.raw_line
    week.assert_nothing_is_lost(content(line("GOOD", updated=day(REWRITTEN)), spelled()))
