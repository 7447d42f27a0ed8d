"""Files that are not what they seem, through the real job: none of them replaces a week.

Every case is a week or two of its own. First files are one run of the job, later ones a second, and
what a person decided a third.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import dagster as dg
import pytest

from spine_assets.core.weeks import Tier, monday_of, publication_day
from spine_assets_tests.conftest import HEADER, line
from spine_assets_tests.support.projects import Outcome
from spine_assets_tests.support.sites import Figures, Site, content, opened

T1 = Tier.NMS_TIER_1
SYMBOLS = 60
# Of tier 1; the second week of each pair was published on the day on which the first was restated.
RESTATED, PUBLISHED_THEN = date(2024, 3, 8), date(2024, 4, 26)
RESTATED_DAY = date(2024, 5, 13)
TOGETHER, TOGETHER_THEN = date(2023, 3, 10), date(2023, 4, 28)
TOGETHER_DAY = date(2023, 5, 15)
UNKNOWN, UNKNOWN_THEN = date(2022, 3, 11), date(2022, 4, 29)
UNKNOWN_DAY = date(2022, 5, 16)
PARTIAL, AT_ONCE, COPIED, COPY, NAMED, RETRACTED, EMPTIED = (
    date(2025, 9, 5) + timedelta(weeks=number) for number in range(7)
)


def figures(week: date) -> Figures:
    """A week of tier 1: 60 symbols at two venues, no figure as in another week."""
    seed = week.toordinal()
    return {
        (f"S{n:02}", mpid): (Decimal(seed * (n + 1) + k), seed % 97 + n)
        for n in range(SYMBOLS)
        for k, mpid in enumerate(("UBSA", "JPMX"))
    }


def corrected(week: date) -> Figures:
    """The same week with ten other figures."""
    found = figures(week)
    return found | {key: (found[key][0] + 1, found[key][1]) for key in [*found][:10]}


def rows(found: Figures, day: object) -> list[str]:
    """The lines of a download."""
    return [
        line(symbol, mpid, str(shares), str(trades), tier="NMS Tier 1", updated=str(day))
        for (symbol, mpid), (shares, trades) in found.items()
    ]


def download(week: date, found: Figures | None = None, day: date | None = None) -> bytes:
    """A file without a week column."""
    return content(*rows(found or figures(week), day or publication_day(week, T1)))


def ticker(week: date, number: int, day: object = "2026-01-05") -> bytes:
    """What a script asks FINRA's API for: one symbol of a week, with a later update."""
    symbol = f"S{number:02}"
    found = {key: figure for key, figure in figures(week).items() if key[0] == symbol}
    header = f"{HEADER}|weekStartDate"
    return content(*(f"{one}|{monday_of(week)}" for one in rows(found, day)), header=header)


class Run(NamedTuple):
    """The site after a run."""

    site: Site
    outcome: Outcome
    venues: dict[date, Figures]
    totals: dict[date, list[Decimal]]
    states: dict[str, str]

    def holds(self, week: date, expected: Figures) -> None:
        """The three tables of a week have exactly these figures."""
        assert self.venues.get(week, {}) == expected
        total = sum((figure[0] for figure in expected.values()), Decimal(0))
        assert self.totals.get(week, []) == ([total, total] if expected else [])

    def findings(self, week: date) -> dict[str, str]:
        """Findings of the check `delivery` by file."""
        return self.site.week(week, self.outcome).findings()


class Batch(NamedTuple):
    """The site after each run."""

    first: Run
    later: Run
    decided: Run


def run(site: Site) -> Run:
    """Run all weeks, and read what is in the tables then."""
    outcome = site.runner.range(UNKNOWN, EMPTIED)
    venues: dict[date, Figures] = {}
    columns = "week_ending, symbol, mpid, share_volume, trade_count"
    for week, symbol, mpid, volume, trades in site.rows(f"SELECT {columns} FROM otc_venue_volume"):
        venues.setdefault(week, {})[symbol, mpid] = (volume, trades)
    totals: dict[date, list[Decimal]] = {}
    for table in ("otc_symbol_summary", "otc_venue_share"):
        sums = f"SELECT week_ending, sum(total_volume) FROM {table} GROUP BY 1"
        for week, total in site.rows(sums):
            totals.setdefault(week, []).append(total)
    found = json.loads(site.spine("captures", "--json").output)
    states = {item["source_file"]: f"{item['state']}: {item['why']}" for item in found}
    return Run(site, outcome, venues, totals, states)


@pytest.fixture(scope="module")
def batch(
    tmp_path_factory: pytest.TempPathFactory, code_location: dg.Definitions
) -> Iterator[Batch]:
    """First files and a run, later files and a run, decisions and a run."""
    root = tmp_path_factory.mktemp("right_files")
    with opened(root, code_location) as site:
        for week in (PARTIAL, COPIED, RETRACTED, EMPTIED, RESTATED):
            site.drop(f"{week}-first.csv", download(week))
        site.drop("at-once-whole.csv", download(AT_ONCE))
        for number in range(4):
            site.drop(f"at-once-{number}.csv", ticker(AT_ONCE, number))
        site.drop("together-first.csv", download(TOGETHER))
        together = download(TOGETHER, corrected(TOGETHER), TOGETHER_DAY)
        site.drop("together-restated.csv", together)
        site.drop("together-then.csv", download(TOGETHER_THEN))
        site.drop("unknown-restated.csv", download(UNKNOWN, day=UNKNOWN_DAY))
        site.drop("unknown-then.csv", download(UNKNOWN_THEN))
        first = run(site)
        site.drop("partial-ticker.csv", ticker(PARTIAL, 7))
        site.drop("then.csv", download(PUBLISHED_THEN))
        site.drop("restated.csv", download(RESTATED, corrected(RESTATED), RESTATED_DAY))
        site.drop("copy.csv", download(COPIED, day=publication_day(COPY, T1)))
        site.drop(f"tier1_{publication_day(COPIED, T1):%Y%m%d}.csv", download(NAMED))
        site.drop("retracted-wrong.csv", download(RETRACTED, corrected(RETRACTED)))
        later = run(site)
        for name in ("retracted-wrong.csv", f"{EMPTIED}-first.csv"):
            assert site.spine("captures", "retract", capture_of(site, name)).exit_code == 0
        used = site.spine("captures", "use", capture_of(site, "partial-ticker.csv"))
        assert used.exit_code == 0
        below = f"week_ending={RESTATED}/restated.csv"
        site.drop(below, (site.project.landing / "restated.csv").read_bytes())
        (site.project.landing / "restated.csv").unlink()
        yield Batch(first, later, run(site))


def capture_of(site: Site, name: str) -> str:
    found = json.loads(site.spine("captures", "--json").output)
    (capture_id,) = [item["capture_id"] for item in found if item["source_file"] == name]
    return str(capture_id)


def shares(found: Figures) -> Decimal:
    return sum((figure[0] for figure in found.values()), Decimal(0))


def of_symbol(found: Figures, symbol: str) -> Figures:
    return {key: figure for key, figure in found.items() if key[0] == symbol}


def test_a_file_of_one_symbol_waits_beside_the_whole_tier(batch: Batch) -> None:
    batch.first.holds(PARTIAL, figures(PARTIAL))
    batch.later.holds(PARTIAL, figures(PARTIAL))
    assert batch.later.findings(PARTIAL)["partial-ticker.csv"].startswith(
        "capture_waiting: it has 2 rows of "
    )
    assert batch.first.states["at-once-0.csv"].startswith(
        "waiting: it has 2 rows of symbol and venue, the fullest capture 120"
    )


def test_a_person_can_choose_the_file_that_waits(batch: Batch) -> None:
    batch.decided.holds(PARTIAL, of_symbol(figures(PARTIAL), "S07"))
    assert batch.decided.states["partial-ticker.csv"] == "pinned: a person chose it"


def test_of_files_of_one_moment_the_whole_one_is_current(batch: Batch) -> None:
    """Four files of one symbol each, with a later update; no hash decides."""
    batch.first.holds(AT_ONCE, figures(AT_ONCE))
    assert set(batch.first.findings(AT_ONCE)) >= {f"at-once-{number}.csv" for number in range(4)}


def test_a_week_restated_on_the_publication_day_of_another_does_not_replace_that(
    batch: Batch,
) -> None:
    batch.later.holds(PUBLISHED_THEN, figures(PUBLISHED_THEN))
    told = batch.later.findings(PUBLISHED_THEN)["restated.csv"]
    assert "110 of 120 figures are those of week ending 2024-03-08" in told
    assert "week_ending=2024-03-08/" in told
    batch.later.holds(RESTATED, figures(RESTATED))


def test_placed_by_its_path_it_corrects_its_own_week(batch: Batch) -> None:
    batch.decided.holds(RESTATED, corrected(RESTATED))
    batch.decided.holds(PUBLISHED_THEN, figures(PUBLISHED_THEN))


def test_it_makes_no_difference_that_all_three_come_at_once(batch: Batch) -> None:
    batch.first.holds(TOGETHER, figures(TOGETHER))
    batch.first.holds(TOGETHER_THEN, figures(TOGETHER_THEN))
    assert (
        "figures are those of week ending 2023-03-10"
        in batch.first.findings(TOGETHER_THEN)["together-restated.csv"]
    )


def test_where_neither_week_is_known_no_file_is_taken_for_the_other(batch: Batch) -> None:
    """Two files say one week and share no figure: one of them is of a week that never came."""
    assert UNKNOWN_THEN not in batch.first.venues
    assert str(UNKNOWN_THEN) in batch.first.outcome.failed_weeks
    assert "unknown-restated.csv" in batch.first.outcome.failure
    assert (
        "only 0 of the 120 rows that it shares with unknown-then.csv" in batch.first.outcome.failure
    )


def test_a_week_whose_dates_are_set_to_the_next_publication_is_no_next_week(batch: Batch) -> None:
    assert COPY not in batch.later.venues
    assert f"120 of 120 figures are those of week ending {COPIED}" in batch.later.outcome.failure


def test_a_name_with_the_publication_day_of_another_week_is_refused(batch: Batch) -> None:
    assert NAMED not in batch.later.venues
    name = f"tier1_{publication_day(COPIED, T1):%Y%m%d}.csv"
    told = batch.later.site.refusals()[name]
    for said in (publication_day(COPIED, T1), COPIED, publication_day(NAMED, T1), NAMED):
        assert str(said) in told


def test_a_retracted_capture_is_out_and_the_one_before_is_current_again(batch: Batch) -> None:
    batch.later.holds(RETRACTED, corrected(RETRACTED))
    batch.decided.holds(RETRACTED, figures(RETRACTED))
    assert "retracted-wrong.csv" not in batch.decided.findings(RETRACTED)
    assert batch.decided.states["retracted-wrong.csv"] == "retracted: a person took it out"


def test_a_week_of_which_all_is_retracted_has_no_rows(batch: Batch) -> None:
    batch.later.holds(EMPTIED, figures(EMPTIED))
    assert str(EMPTIED) not in batch.decided.outcome.failed_weeks, batch.decided.outcome.failure
    batch.decided.holds(EMPTIED, {})
    assert str(EMPTIED) not in batch.decided.outcome.failed_weeks, batch.decided.outcome.failure
    assert batch.decided.site.week(EMPTIED, batch.decided.outcome).is_built


def test_as_of_each_run_the_week_is_what_was_published_then(batch: Batch) -> None:
    """By the macro that an analyst uses, at the moment before the next capture or decision."""
    captured = dict(
        batch.later.site.rows(
            "SELECT source_file, any_value(captured_at) FROM otc_raw "
            "WHERE week_ending = $week GROUP BY 1",
            week=RETRACTED,
        )
    )
    for name, expected in (
        (f"{RETRACTED}-first.csv", figures(RETRACTED)),
        ("retracted-wrong.csv", corrected(RETRACTED)),
    ):
        ((found,),) = batch.later.site.rows(
            "SELECT sum(share_volume) FROM otc_raw_as_of($at) WHERE week_ending = $week",
            at=captured[name],
            week=RETRACTED,
        )
        assert found == shares(expected)
