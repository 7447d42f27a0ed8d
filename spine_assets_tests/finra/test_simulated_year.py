"""A simulated FINRA, followed for a year: each restatement is found within a week of its day.

FINRA answers which weeks changed, or refuses to. `spine fetch --all` runs each day or each week;
what it lands is compared with what FINRA holds on that day, and its requests are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from spine_assets.core.settings import FinraSettings, Settings
from spine_assets.core.weeks import Tier, publication_day, week_ending_of, weeks_between
from spine_assets.dev.finra_sim import Fault, Restatement, SimOptions, SimServer, serving
from spine_assets.dev.finra_sim.faults import FaultKind
from spine_assets.dev.finra_sim.restating import usual_restatements
from spine_assets.finra import delivered
from spine_assets.finra.api import SUMMARY_TYPES, TOTAL_TYPES
from spine_assets.finra.batch import fetch_all, open_holdings, open_looks
from spine_assets.finra.client import FinraClient
from spine_assets.finra.fetching import FetchOutcome, Wanted, offered, plan
from spine_assets.finra.restatements import Restatements
from spine_assets.otc.delivery.placement import Grain, Key
from spine_assets_tests.finra.conftest import IMPATIENT, Desk

MONDAY = date(2024, 12, 30)
UNLIMITED = 10**6  # requests a second: the limit is not what is tested here


@dataclass
class Follower:
    """A project that follows a simulated FINRA, and what came when."""

    desk: Desk
    came: dict[Key, list[date]] = field(default_factory=dict)
    requests: list[int] = field(default_factory=list)

    def step(self, day: date) -> None:
        """`spine fetch --all` on a day of FINRA; each file that comes holds what FINRA holds."""
        self.desk.server.sim.today = day
        settings = FinraSettings(url=self.desk.server.url)
        fast = settings.model_copy(update={"requests_per_second": UNLIMITED})
        with FinraClient(fast, IMPATIENT) as client:
            holdings, now = open_holdings(self.desk.settings), self.desk.now()
            offers = offered(client)
            looks = open_looks(self.desk.settings)
            found = Restatements(offers, holdings, looks, now).ask(client)
            report = fetch_all(
                client,
                holdings,
                self.desk.settings,
                plan(offers, holdings, Wanted(), found.changed),
                lambda _: lambda rows, total: None,
                self.desk.now,
            )
            self.requests.append(client.requests)
        assert not report.failures
        for item in report.fetched:
            if item.outcome is FetchOutcome.FETCHED:
                path = self.desk.settings.landing_path / (item.file or "")
                assert landed(path) == held_by(self.desk.server, item.key, item.grain)
                if item.grain is Grain.VENUES:
                    self.came.setdefault(item.key, []).append(day)


def landed(path: Path) -> tuple[int, int, int]:
    """Rows, shares and trades of a file."""
    rows = pl.read_csv(path, separator="|", quote_char=None)
    return (
        rows.height,
        int(rows["totalWeeklyShareQuantity"].sum()),
        int(rows["totalWeeklyTradeCount"].sum()),
    )


def held_by(server: SimServer, key: Key, grain: Grain) -> tuple[int, int, int]:
    """The same of what FINRA holds today."""
    week, tier, venue_class = key
    totals = grain is Grain.TOTALS
    codes = TOTAL_TYPES[venue_class] if totals else (SUMMARY_TYPES[venue_class],)
    rows = server.sim.rows(week, tier).filter(pl.col("summaryTypeCode").is_in(codes))
    shares, trades = (
        int(rows[name].sum()) for name in ("totalWeeklyShareQuantity", "totalWeeklyTradeCount")
    )
    return rows.height, shares, trades


def restatements(options: SimOptions, last: date) -> list[Restatement]:
    """What the simulated FINRA restates after its first day, of the weeks that it offers then."""
    first_week = week_ending_of(options.today) - timedelta(weeks=options.weeks + 3)
    found = [
        plan
        for week in weeks_between(first_week, week_ending_of(last))
        for tier in Tier
        for plan in usual_restatements(week, tier, seed=options.seed, share=options.restated_share)
    ]
    oldest = timedelta(weeks=options.weeks - 1)
    return [
        plan
        for plan in found
        if options.today < plan.day <= last
        # It is still in the current dataset a week after its day.
        and plan.week_ending >= week_ending_of(plan.day + timedelta(days=7 - 21)) - oldest
    ]


@contextmanager
def following(folder: Path, options: SimOptions, fault: FaultKind | None) -> Iterator[Follower]:
    """A project that has fetched all that FINRA offers on its first day."""
    with serving(replace(options, requests_per_second=UNLIMITED)) as server:
        follower = Follower(Desk(server, Settings(data_dir=folder / "data")))
        follower.step(options.today)
        if fault is not None:
            server.sim.faults.add(Fault(fault))
        yield follower


def require_found(follower: Follower, plans: list[Restatement]) -> list[int]:
    """Each restatement came within a week of its day; the delays in days."""
    delays: list[int] = []
    for item in plans:
        key = (item.week_ending, item.tier, item.venue_class)
        later = [day for day in follower.came[key] if day >= item.day]
        assert later, f"{item} was never found"
        delays.append((later[0] - item.day).days)
    assert max(delays) <= 7
    return delays


def require_equal(follower: Follower) -> None:
    """In the end the newest file of each answer holds what FINRA holds."""
    newest: dict[tuple[Key, Grain], Path] = {}
    for path in follower.desk.files():
        name = delivered.read_name(path.name)
        assert name is not None
        newest[name.key, name.grain] = path
    there = {(week, tier) for week, tier in follower.desk.server.sim.partitions()}
    for (key, grain), path in newest.items():
        if (key[0], key[1].api_id) in there:
            assert landed(path) == held_by(follower.desk.server, key, grain)


BOTH = pytest.mark.parametrize("fault", [None, FaultKind.ACROSS_REFUSED])


@BOTH
def test_three_weeks_of_restatements_are_found_within_a_week(
    tmp_path: Path, fault: FaultKind | None
) -> None:
    """Each answer of the market is restated once, 2 to 164 days after its publication."""
    options = SimOptions(
        today=MONDAY,
        rows=6,
        seed=1,
        weeks=7,
        historic_weeks=0,
        restated_share=1.0,
        market_wide=False,
    )
    with following(tmp_path, options, fault) as follower:
        for number in range(1, 4):
            follower.step(MONDAY + timedelta(weeks=number))
        plans = restatements(options, MONDAY + timedelta(weeks=2))
        assert len(plans) >= 3
        require_found(follower, plans)
        require_equal(follower)


@pytest.mark.long
@BOTH
def test_a_year_of_restatements_is_found_within_a_week_each(
    tmp_path: Path, fault: FaultKind | None
) -> None:
    """A look every third day where FINRA answers it, and a fetch a week where it does not.

    The market is small, so an answer is one page. A quiet machine takes about two minutes for each.
    """
    options = SimOptions(
        today=MONDAY, rows=6, weeks=34, historic_weeks=0, restated_share=0.4, market_wide=False
    )
    days = 3 if fault is None else 7
    with following(tmp_path, options, fault) as follower:
        for number in range(days, 365, days):
            follower.step(MONDAY + timedelta(days=number))
        last = MONDAY + timedelta(days=365 - 14)
        plans = restatements(options, last)
        delays = require_found(follower, plans)
        require_equal(follower)
        _, *requests = follower.requests
    lags = [(item.day - publication_day(item.week_ending, item.tier)).days for item in plans]
    assert len(plans) > 60
    assert {2, 7, 11, 42, 43, 49, 50, 51, 99, 107, 164} == set(lags)
    most_in_all, most_at_once = (5_500, 60) if fault is None else (17_500, 400)
    assert sum(requests) <= most_in_all
    assert max(requests) <= most_at_once
    assert max(delays) == (2 if fault is None else 6)
