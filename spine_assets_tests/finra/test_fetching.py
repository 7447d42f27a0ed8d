"""From a simulated FINRA's answers to files of the landing folder."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from spine_assets.core.settings import Settings
from spine_assets.core.weeks import Tier, VenueClass, publication_day
from spine_assets.dev.finra_sim import Change, Fault, Restatement, WrongTotal, serving
from spine_assets.dev.finra_sim.faults import FaultKind
from spine_assets.dev.sample import write_sample
from spine_assets.finra.api import SUMMARY_TYPES, TOTAL_TYPES
from spine_assets.finra.batch import FetchReport, folder, not_offered, open_holdings
from spine_assets.finra.delivered import read_name
from spine_assets.finra.fetching import FetchOutcome, Wanted, offered, plan
from spine_assets.finra.holdings import Holdings
from spine_assets.otc.delivery.placement import Grain, Key
from spine_assets.otc.delivery.scan import scan
from spine_assets_tests.finra.conftest import SMALL, Desk, client_of

WEEK = date(2025, 11, 21)
ONE_WEEK = Wanted(weeks={WEEK})
ALL_OF_IT = [(WEEK, tier, venue_class) for tier in Tier for venue_class in VenueClass]


def outcomes(report: FetchReport, grain: Grain = Grain.VENUES) -> dict[Key, FetchOutcome]:
    return {item.key: item.outcome for item in report.fetched if item.grain is grain}


def figures_of(path: Path) -> tuple[int, Decimal, Decimal]:
    """Rows, shares and trades of a fetched file, read by other means."""
    header, *lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    rows = [dict(zip(header.split("|"), line.split("|"), strict=True)) for line in lines]
    sums = (
        sum(Decimal(row[name]) for row in rows)
        for name in ("totalWeeklyShareQuantity", "totalWeeklyTradeCount")
    )
    shares, trades = sums
    return len(rows), Decimal(shares), Decimal(trades)


def figures_held(desk: Desk, key: Key, grain: Grain = Grain.VENUES) -> tuple[int, Decimal, Decimal]:
    week, tier, venue_class = key
    totals = grain is Grain.TOTALS
    kinds = TOTAL_TYPES[venue_class] if totals else (SUMMARY_TYPES[venue_class],)
    rows = desk.server.sim.rows(week, tier).filter(pl.col("summaryTypeCode").is_in(kinds))
    shares, trades = (
        rows[name].cast(pl.Decimal(38, 6)).sum()
        for name in ("totalWeeklyShareQuantity", "totalWeeklyTradeCount")
    )
    return rows.height, Decimal(shares), Decimal(trades)


def build(desk: Desk) -> None:
    """Build the week from what was delivered, in a folder without an `.env` file.

    Dagster lets such a file of its working folder overrule the environment.
    """
    command = [sys.executable, "-m", "dagster", "asset", "materialize"]
    command += ["-m", "spine_assets.definitions", "--select", "group:otc"]
    place = desk.settings.data_dir
    settings = {**os.environ, "SPINE_DATA_DIR": str(place)}
    command += ["--partition", str(WEEK)]
    subprocess.run(command, check=True, capture_output=True, env=settings, cwd=place)


class TestFirstFetch:
    def test_each_tier_and_class_becomes_a_file_with_all_its_rows(self, desk: Desk) -> None:
        report = desk.fetch(ONE_WEEK)
        for grain in Grain:
            assert outcomes(report, grain) == dict.fromkeys(ALL_OF_IT, FetchOutcome.FETCHED)
        assert not report.failures
        for item in report.fetched:
            path = desk.settings.landing_path / (item.file or "")
            assert figures_of(path) == figures_held(desk, item.key, item.grain)
            assert item.rows == figures_of(path)[0]

    def test_totals_come_with_their_rows_in_one_question(self, desk: Desk) -> None:
        """A request for all four summary types of each class and tier."""
        desk.fetch(ONE_WEEK)
        asked = desk.server.sim.traffic.summary()["asked"]
        assert len(asked) == len(ALL_OF_IT)
        for item in asked:
            assert item["statuses"] == {"200": 1}
            assert {code.split("_W_")[1] for code in item["summary_type"].split(",")} == {
                "SMBL_FIRM",
                "SMBL",
                "FIRM",
                "VOL_STATS",
            }

    def test_the_landing_scan_takes_them_for_what_they_are(self, desk: Desk) -> None:
        desk.fetch(ONE_WEEK)
        found = scan(desk.settings.landing_path, desk.settings.landing_index_path)
        assert not found.unusable
        assert sorted(item.placement.key for item in found.deliveries) == sorted(ALL_OF_IT)
        assert sorted(item.placement.key for item in found.totals) == sorted(ALL_OF_IT)

    def test_only_what_is_wanted_is_asked_for(self, desk: Desk) -> None:
        wanted = Wanted(weeks={WEEK}, tiers={Tier.OTC}, classes={VenueClass.NON_ATS})
        report = desk.fetch(wanted)
        assert outcomes(report) == {(WEEK, Tier.OTC, VenueClass.NON_ATS): FetchOutcome.FETCHED}
        asked = desk.server.sim.traffic.summary()["asked"]
        codes = [item["summary_type"] for item in asked]
        assert codes == ["OTC_W_SMBL_FIRM,OTC_W_SMBL,OTC_W_FIRM,OTC_W_VOL_STATS"]

    def test_the_historic_dataset_is_parted_by_class(self, desk: Desk) -> None:
        with client_of(desk.server.url) as client:
            oldest = min(week for week, _ in offered(client))
        report = desk.fetch(Wanted(weeks={oldest}))
        assert {key[2] for key in outcomes(report)} == set(VenueClass)
        assert len(report.fetched) == len(ALL_OF_IT) * len(Grain)
        for item in report.fetched:
            path = desk.settings.landing_path / (item.file or "")
            assert figures_of(path) == figures_held(desk, item.key, item.grain)

    def test_no_page_is_asked_for_twice(self, desk: Desk) -> None:
        desk.fetch()
        asked = desk.server.sim.traffic.summary()["asked"]
        assert asked
        for item in asked:
            assert set(item["pages"].values()) <= {1}


@pytest.mark.long
class TestAgain:
    def test_what_is_here_is_only_asked_about(self, desk: Desk) -> None:
        desk.fetch(ONE_WEEK)
        before = desk.files()
        desk.server.sim.today += timedelta(days=1)
        desk.server.sim.traffic.forget()
        report = desk.fetch(ONE_WEEK)
        for grain in Grain:
            assert outcomes(report, grain) == dict.fromkeys(ALL_OF_IT, FetchOutcome.UNCHANGED)
        assert desk.files() == before
        rows = sum(item["rows"] for item in desk.server.sim.traffic.summary()["asked"])
        assert rows <= len(ALL_OF_IT)  # each count gives a row at most

    def test_what_came_on_the_day_of_its_change_is_fetched_whole_once_more(
        self, desk: Desk
    ) -> None:
        key = (WEEK, Tier.OTC, VenueClass.ATS)
        wanted = Wanted(weeks={WEEK}, tiers={Tier.OTC}, classes={VenueClass.ATS})
        desk.server.sim.today = publication_day(WEEK, Tier.OTC)
        assert outcomes(desk.fetch(wanted)) == {key: FetchOutcome.FETCHED}
        assert outcomes(desk.fetch(wanted)) == {key: FetchOutcome.SAME}
        desk.server.sim.today += timedelta(days=1)
        assert outcomes(desk.fetch(wanted)) == {key: FetchOutcome.SAME}
        assert outcomes(desk.fetch(wanted)) == {key: FetchOutcome.UNCHANGED}
        assert len(desk.files()) == len(Grain)

    @pytest.mark.parametrize("kind", ["changed", "gone", "come"])
    def test_a_restatement_is_another_file(self, desk: Desk, kind: str) -> None:
        tier, venue_class = Tier.NMS_TIER_1, VenueClass.NON_ATS
        key = (WEEK, tier, venue_class)
        desk.fetch(ONE_WEEK)
        (first,) = _rows_of(desk, key)
        content = first.read_bytes()
        row = desk.server.sim.rows(WEEK, tier, SUMMARY_TYPES[venue_class]).row(0, named=True)
        symbol, firm = row["issueSymbolIdentifier"], row["marketParticipantName"]
        changes = {
            "changed": Change(symbol, firm, 987_654, 321),
            "gone": Change(symbol, firm),
            "come": Change("QZNEW", firm, 500, 5),
        }
        day = desk.server.sim.today = desk.server.sim.today + timedelta(days=8)
        desk.server.sim.archive.restate(Restatement(WEEK, tier, venue_class, day, (changes[kind],)))
        report = desk.fetch(ONE_WEEK)
        for grain in Grain:
            found = outcomes(report, grain)
            assert [k for k, what in found.items() if what is FetchOutcome.FETCHED] == [key]
        second = max(_rows_of(desk, key))
        assert second != first
        assert first.read_bytes() == content
        assert figures_of(second) == figures_held(desk, key)

    def test_a_week_that_a_person_names_is_asked_about_whatever_its_age(self, desk: Desk) -> None:
        """Published two months ago and more, and in the historic dataset."""
        with serving(replace(SMALL, weeks=12)) as server:
            desk.server = server
            for week in (date(2025, 9, 26), date(2025, 9, 5)):
                wanted = Wanted(weeks={week})
                first = outcomes(desk.fetch(wanted))
                assert set(first.values()) == {FetchOutcome.FETCHED}
                server.sim.traffic.forget()
                again = outcomes(desk.fetch(wanted))
                asked = {item["week"] for item in server.sim.traffic.summary()["asked"]}
                assert asked == {str(week - timedelta(days=4))}
                is_historic = week == date(2025, 9, 5)
                what = FetchOutcome.SAME if is_historic else FetchOutcome.UNCHANGED
                assert again == dict.fromkeys(first, what)

    def test_a_week_that_a_person_dropped_is_not_fetched(self, desk: Desk) -> None:
        write_sample(desk.settings.landing_path, [WEEK], rows_per_week=60)
        build(desk)
        holdings = open_holdings(desk.settings)
        here = [key in holdings for key in ALL_OF_IT]
        assert here == [key[2] is VenueClass.ATS for key in ALL_OF_IT]
        held = holdings.latest((WEEK, Tier.OTC, VenueClass.ATS))
        assert held is not None
        assert held.path is None

    def test_to_be_captured_later_makes_a_fetch_no_younger(self, desk: Desk) -> None:
        key = (WEEK, Tier.OTC, VenueClass.ATS)
        desk.server.sim.today = publication_day(WEEK, Tier.OTC)
        desk.fetch(ONE_WEEK)
        shutil.rmtree(folder(desk.settings))
        build(desk)  # in the present, months after FINRA's day
        held = open_holdings(desk.settings).latest(key)
        assert held is not None
        assert held.at == desk.now()
        assert held.may_lack_that_day(desk.now())
        desk.server.sim.today += timedelta(days=1)
        wanted = Wanted(weeks={WEEK}, tiers={Tier.OTC}, classes={VenueClass.ATS})
        assert outcomes(desk.fetch(wanted)) == {key: FetchOutcome.SAME}
        for path in desk.files():
            path.unlink()
        held = open_holdings(desk.settings).latest(key)  # the capture alone tells as much
        assert held is not None
        assert held.rows == figures_held(desk, key)[0]

    def test_a_class_that_has_no_rows_is_remembered(self, desk: Desk) -> None:
        desk.fetch(ONE_WEEK)
        key = (WEEK, Tier.OTC, VenueClass.ATS)
        for path in desk.files():
            path.unlink()
        holdings = open_holdings(desk.settings)
        assert key in holdings
        shutil.rmtree(folder(desk.settings))
        assert key not in open_holdings(desk.settings)


@pytest.mark.long
class TestFaults:
    BAD_DAY = (
        Fault(FaultKind.SHORT_PAGE, rate=0.3),
        Fault(FaultKind.TOO_MANY, rate=0.1, seconds=0),
        Fault(FaultKind.TOO_MANY_BARE, rate=0.05),
        Fault(FaultKind.GATEWAY_TIMEOUT, rate=0.1),
        Fault(FaultKind.CUT, rate=0.1),
    )

    def test_a_bad_day_changes_no_file(self, desk: Desk) -> None:
        desk.server.sim.faults.add(*self.BAD_DAY)
        report = desk.fetch(ONE_WEEK)
        for _ in range(5):  # where four tries were not enough
            if not report.failures:
                break
            report = desk.fetch(ONE_WEEK)
        assert not report.failures
        assert {_key(path) for path in desk.files()} == set(ALL_OF_IT)
        for path in desk.files():
            assert figures_of(path) == figures_held(desk, _key(path), _grain(path))

    def test_one_senseless_answer_stops_no_other(self, desk: Desk) -> None:
        desk.server.sim.faults.add(Fault(FaultKind.HTML, count=1))
        report = desk.fetch(ONE_WEEK)
        assert len(report.failures) == 1
        assert not report.is_transient
        assert "text/html" in next(iter(report.failures.values()))
        assert len(outcomes(report)) == len(ALL_OF_IT) - len(VenueClass)
        assert not desk.fetch(ONE_WEEK).failures
        assert {_key(path) for path in desk.files()} == set(ALL_OF_IT)

    def test_an_outage_leaves_the_rest_for_later_and_goes_on_where_it_was(self, desk: Desk) -> None:
        sim = desk.server.sim
        sim.faults.add(Fault(FaultKind.SHORT_PAGE))
        wanted = Wanted(weeks={WEEK}, classes={VenueClass.ATS})
        pages = []

        def break_down(rows: int, total: int) -> None:
            pages.append(rows)
            if len(pages) == 2:
                sim.faults.clear()
                sim.faults.add(Fault(FaultKind.GATEWAY_TIMEOUT))

        report = desk.fetch(wanted, break_down)
        assert list(report.failures) == [(WEEK, tier) for tier in Tier]
        assert report.is_transient
        assert desk.files() == []
        sim.faults.clear()
        sim.traffic.forget()
        assert not desk.fetch(wanted).failures
        first = next(item for item in sim.traffic.summary()["asked"] if item["tier"] == "T1")
        assert [page.split("+")[0] for page in first["pages"]] == [str(pages[1])]
        for path in desk.files():
            assert figures_of(path) == figures_held(desk, _key(path), _grain(path))
        assert not list((folder(desk.settings) / "spool").glob("*.jsonl"))

    @pytest.mark.long
    def test_a_fetch_killed_at_any_moment_is_made_whole_by_the_next(self, tmp_path: Path) -> None:
        program = [str(Path(sys.executable).with_name("spine")), "fetch", "--week", str(WEEK)]
        data = tmp_path / "data"
        with serving(replace(SMALL, rows=30_000, weeks=6)) as server:
            server.sim.faults.add(Fault(FaultKind.SLOW, seconds=0.2))
            env = {**os.environ, "SPINE_DATA_DIR": str(data), "SPINE_FINRA_URL": server.url}
            for seconds in (2.0, 2.5, 3.0, 3.5):
                process = subprocess.Popen(program, env=env, stderr=subprocess.DEVNULL)
                time.sleep(seconds)
                process.send_signal(signal.SIGKILL)
                process.wait()
            ended = subprocess.run(program, env=env, capture_output=True, check=False)
            assert ended.returncode == 0, ended.stderr
            files = sorted((data / "landing").glob("finra/*/*.csv.gz"))
            assert sorted(_key(path) for path in files) == sorted(ALL_OF_IT * len(Grain))
            desk = Desk(server, Settings(data_dir=data))
            for path in files:
                assert figures_of(path) == figures_held(desk, _key(path), _grain(path))


class TestOneAnswer:
    """A tier and class of a week, whose answer changes at FINRA."""

    KEY = (WEEK, Tier.OTC, VenueClass.ATS)
    WANTED = Wanted(weeks={WEEK}, tiers={Tier.OTC}, classes={VenueClass.ATS})

    def fetch(self, desk: Desk) -> FetchOutcome:
        report = desk.fetch(self.WANTED)
        assert not report.failures, report.failures
        return outcomes(report)[self.KEY]

    def remove_a_row(self, desk: Desk, day: date) -> None:
        row = desk.server.sim.rows(WEEK, Tier.OTC, SUMMARY_TYPES[VenueClass.ATS]).row(0, named=True)
        self.restate(desk, day, Change(row["issueSymbolIdentifier"], row["MPID"]))

    def restate(self, desk: Desk, day: date, change: Change) -> None:
        desk.server.sim.archive.restate(Restatement(WEEK, Tier.OTC, VenueClass.ATS, day, (change,)))

    def test_a_row_that_is_gone_is_noticed_by_the_count(self, desk: Desk) -> None:
        assert self.fetch(desk) is FetchOutcome.FETCHED
        assert self.fetch(desk) is FetchOutcome.UNCHANGED
        self.remove_a_row(desk, desk.server.sim.today)
        assert self.fetch(desk) is FetchOutcome.FETCHED

    def test_a_change_of_the_day_after_the_last_one_is_noticed(self, desk: Desk) -> None:
        """It was made some hours after the fetch, on the day of the fetch."""
        sim = desk.server.sim
        sim.today = publication_day(WEEK, Tier.OTC) + timedelta(days=1)
        assert self.fetch(desk) is FetchOutcome.FETCHED
        row = sim.rows(WEEK, Tier.OTC, SUMMARY_TYPES[VenueClass.ATS]).row(0, named=True)
        change = Change(row["issueSymbolIdentifier"], row["MPID"], 987_654, 321)
        self.restate(desk, sim.today, change)
        sim.today += timedelta(days=1)
        assert self.fetch(desk) is FetchOutcome.FETCHED
        assert figures_of(max(_rows_of(desk, self.KEY))) == figures_held(desk, self.KEY)

    def test_an_answer_that_changes_between_its_pages_is_fetched_from_the_first(
        self, desk: Desk
    ) -> None:
        desk.server.sim.faults.add(Fault(FaultKind.SHORT_PAGE))
        pages: list[int] = []

        def change_once(rows: int, total: int) -> None:
            if not pages:
                self.remove_a_row(desk, desk.server.sim.today)
            pages.append(rows)

        report = desk.fetch(self.WANTED, change_once)
        assert outcomes(report) == {self.KEY: FetchOutcome.FETCHED}
        assert len(desk.files()) == len(Grain)
        for path in desk.files():
            assert figures_of(path) == figures_held(desk, self.KEY, _grain(path))

    def test_a_total_that_alone_has_changed_is_fetched(self, desk: Desk) -> None:
        """The firm of one row is gone from FINRA's totals: of two files one is new."""
        assert self.fetch(desk) is FetchOutcome.FETCHED
        desk.server.sim.archive.misstate(WrongTotal(*self.KEY, "FIRM"))
        report = desk.fetch(self.WANTED)
        assert outcomes(report) == {self.KEY: FetchOutcome.SAME}
        assert outcomes(report, Grain.TOTALS) == {self.KEY: FetchOutcome.FETCHED}
        assert figures_of(desk.files()[-1]) == figures_held(desk, self.KEY, Grain.TOTALS)
        assert self.fetch(desk) is FetchOutcome.UNCHANGED

    def test_rows_land_where_finra_refuses_totals(self, desk: Desk) -> None:
        desk.server.sim.faults.add(Fault(FaultKind.TOTALS_REFUSED))
        report = desk.fetch(ONE_WEEK)
        assert outcomes(report) == dict.fromkeys(ALL_OF_IT, FetchOutcome.FETCHED)
        assert outcomes(report, Grain.TOTALS) == dict.fromkeys(ALL_OF_IT, FetchOutcome.REFUSED)
        assert not report.failures
        assert {_grain(path) for path in desk.files()} == {Grain.VENUES}
        assert set(outcomes(desk.fetch(ONE_WEEK)).values()) == {FetchOutcome.UNCHANGED}
        desk.server.sim.faults.clear()  # and they come when it sends them again
        report = desk.fetch(ONE_WEEK)
        assert outcomes(report) == dict.fromkeys(ALL_OF_IT, FetchOutcome.SAME)
        assert outcomes(report, Grain.TOTALS) == dict.fromkeys(ALL_OF_IT, FetchOutcome.FETCHED)

    def test_rows_land_where_finra_has_no_totals(self, desk: Desk) -> None:
        with serving(replace(SMALL, totals=False)) as server:
            desk.server = server
            for what in (FetchOutcome.FETCHED, FetchOutcome.UNCHANGED):
                report = desk.fetch(ONE_WEEK)
                assert outcomes(report) == dict.fromkeys(ALL_OF_IT, what)
                assert not report.failures
            assert {_grain(path) for path in desk.files()} == {Grain.VENUES}

    def test_pages_of_a_broken_fetch_are_dropped_where_a_row_changed_that_day(
        self, desk: Desk
    ) -> None:
        """On the day of publication each row has, so the first page is requested again."""
        sim = desk.server.sim
        sim.today = publication_day(WEEK, Tier.OTC)
        sim.faults.add(Fault(FaultKind.SHORT_PAGE))

        def break_down(rows: int, total: int) -> None:
            if rows < total:
                sim.faults.add(Fault(FaultKind.FORBIDDEN))

        assert list(desk.fetch(self.WANTED, break_down).failures) == [self.KEY[:2]]
        sim.faults.clear()
        sim.traffic.forget()
        assert self.fetch(desk) is FetchOutcome.FETCHED
        (asked,) = sim.traffic.summary()["asked"]
        assert "0" in {page.split("+")[0] for page in asked["pages"]}


class TestFailures:
    WANTED = Wanted(weeks={WEEK}, classes={VenueClass.ATS})
    ALL = Wanted(classes={VenueClass.ATS})

    def test_a_contradiction_stops_no_other_answer(self, desk: Desk) -> None:
        desk.server.sim.faults.add(Fault(FaultKind.HTML, count=1))
        report = desk.fetch(self.WANTED)
        assert (len(report.failures), len(outcomes(report)), report.not_asked) == (1, 2, 0)
        assert not report.is_transient

    def test_all_failures_must_be_transient_for_a_retry_to_help(self, desk: Desk) -> None:
        """The first answer is a contradiction; then FINRA is away."""
        faults = desk.server.sim.faults
        faults.add(Fault(FaultKind.HTML, count=1), Fault(FaultKind.GATEWAY_TIMEOUT))
        report = desk.fetch(self.WANTED)
        assert (len(report.failures), report.fetched, report.not_asked) == (3, [], 0)
        assert not report.is_transient

    def test_a_finra_that_is_away_is_left_alone_after_three_answers(self, desk: Desk) -> None:
        """Seven weeks, of the newest two tier 1 alone: 17 tiers of weeks."""
        desk.server.sim.faults.add(Fault(FaultKind.GATEWAY_TIMEOUT))
        report = desk.fetch(self.ALL)
        assert (len(report.failures), report.not_asked) == (3, 14)
        requests = desk.server.sim.traffic.summary()["endpoints"]
        assert sum(count["504"] for count in requests.values() if "504" in count) == 3 * 4

    def test_one_answer_that_is_refused_ends_no_other(self, desk: Desk) -> None:
        desk.server.sim.faults.add(Fault(FaultKind.FORBIDDEN, count=1))
        report = desk.fetch(self.ALL)
        assert (len(report.failures), report.not_asked) == (1, 0)
        assert len(outcomes(report)) == 16

    def test_a_client_that_is_refused_gives_up_after_three_answers(self, desk: Desk) -> None:
        desk.server.sim.faults.add(Fault(FaultKind.FORBIDDEN))
        report = desk.fetch(self.ALL)
        assert (len(report.failures), report.not_asked) == (3, 14)
        assert not report.is_transient


class TestUnsorted:
    """The historic dataset sorts nothing, so its pages may overlap."""

    WANTED = Wanted(weeks={date(2025, 11, 14)})

    @pytest.fixture(autouse=True)
    def pages_of_8_kb(self, desk: Desk) -> Iterator[None]:
        with serving(replace(SMALL, page_bytes=8_000)) as server:
            desk.server = server
            yield

    def test_an_answer_with_a_row_on_two_pages_is_fetched_again(self, desk: Desk) -> None:
        desk.server.sim.faults.add(Fault(FaultKind.SHIFTED_PAGE, count=3))
        report = desk.fetch(self.WANTED)
        assert not report.failures
        pages = [item["pages"] for item in desk.server.sim.traffic.summary()["asked"]]
        assert any(times > 1 for found in pages for times in found.values())
        for item in report.fetched:
            path = desk.settings.landing_path / (item.file or "")
            assert figures_of(path) == figures_held(desk, item.key, item.grain)

    def test_one_that_stays_so_is_an_error_and_no_file(self, desk: Desk) -> None:
        desk.server.sim.faults.add(Fault(FaultKind.SHIFTED_PAGE))
        report = desk.fetch(self.WANTED)
        assert desk.files() == []
        assert len(report.failures) == len(Tier)
        for message in report.failures.values():
            assert "rows came on two pages, so as many others are missing" in message


class TestNotOffered:
    def test_a_week_to_come_is_told_with_its_days(self, desk: Desk) -> None:
        with client_of(desk.server.url) as client:
            said = not_offered(date(2026, 1, 2), [Tier.NMS_TIER_1], offered(client))
        assert "NMS_TIER_1 on 2026-01-20" in said  # Martin Luther King Day is closed

    def test_a_week_that_is_served_no_more_is_told(self, desk: Desk) -> None:
        with client_of(desk.server.url) as client:
            said = not_offered(date(2014, 5, 16), [Tier.OTC], offered(client))
        assert "no older ones" in said


def test_plans_are_in_the_order_of_weeks(desk: Desk) -> None:
    with client_of(desk.server.url) as client:
        tasks = plan(offered(client), open_holdings(desk.settings), Wanted())
    weeks = [task.offer.week_ending for task in tasks]
    assert weeks == sorted(weeks)
    assert isinstance(open_holdings(desk.settings), Holdings)


def _key(path: Path) -> Key:
    name = read_name(path.name)
    assert name is not None
    return name.key


def _grain(path: Path) -> Grain:
    name = read_name(path.name)
    assert name is not None
    return name.grain


def _rows_of(desk: Desk, key: Key) -> list[Path]:
    """The fetched files of rows by venue of an answer."""
    return [path for path in desk.files() if (_key(path), _grain(path)) == (key, Grain.VENUES)]
