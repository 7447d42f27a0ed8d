"""Which answers FINRA may have changed: asked of a simulated FINRA, day by day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from spine_assets.cli import main
from spine_assets.core.weeks import Tier, VenueClass, publication_day, week_ending_of
from spine_assets.dev.finra_sim import Change, Fault, Restatement, SimServer, serving
from spine_assets.dev.finra_sim.faults import FaultKind
from spine_assets.finra.batch import fetch_all, folder, open_holdings, open_looks
from spine_assets.finra.errors import FinraUnavailable
from spine_assets.finra.fetching import FetchOutcome, Wanted, offered, plan
from spine_assets.finra.looks import Looks
from spine_assets.finra.restatements import Changes, _is_due
from spine_assets.lake.opening import open_lake
from spine_assets.otc.delivery.placement import Grain, Key
from spine_assets_tests.finra.conftest import SMALL, Desk, client_of

WEEK = date(2025, 6, 13)
KEY = (WEEK, Tier.OTC, VenueClass.ATS)
ONE = Wanted(weeks={WEEK}, tiers={Tier.OTC}, classes={VenueClass.ATS})
PUBLISHED = publication_day(WEEK, Tier.OTC)  # Monday, 2025-07-14
NOON = datetime(2025, 10, 1, 12, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[SimServer]:
    """Thirty small weeks, as of a day after the publication of one of them."""
    options = replace(SMALL, rows=20, weeks=30, today=PUBLISHED + timedelta(days=1))
    with serving(options) as running:
        yield running


@pytest.fixture
def fetched(desk: Desk) -> Desk:
    """A project that has one answer, looked for changes two days later, and asked about it."""
    assert not desk.fetch(ONE).failures
    desk.server.sim.today += timedelta(days=2)
    assert fetch_changes(desk) == {KEY: FetchOutcome.UNCHANGED}  # published since the day before
    return desk


def look_on(desk: Desk, day: date) -> Changes:
    desk.server.sim.today = day
    with client_of(desk.server.url) as client:
        return desk.look(client)


def fetch_changes(desk: Desk) -> dict[Key, FetchOutcome]:
    """What `spine fetch --restated` does; outcomes of rows by venue."""
    with client_of(desk.server.url) as client:
        found = desk.look(client)
        holdings, offers = open_holdings(desk.settings), offered(client)
        tasks = plan(offers, holdings, Wanted(missing=False), found.changed)
        report = fetch_all(
            client, holdings, desk.settings, tasks, lambda _: lambda rows, total: None, desk.now
        )
    assert not report.failures
    return {item.key: item.outcome for item in report.fetched if item.grain is Grain.VENUES}


def restate(server: SimServer, day: date, key: Key = KEY) -> None:
    """One row gets other figures on a day."""
    week, tier, venue_class = key
    row = server.sim.rows(week, tier, "ATS_W_SMBL_FIRM").row(0, named=True)
    change = Change(row["issueSymbolIdentifier"], row["MPID"], 987_654, 321)
    server.sim.archive.restate(Restatement(week, tier, venue_class, day, (change,)))


def questions(server: SimServer) -> int:
    """How many questions across weeks came."""
    asked = server.sim.traffic.summary()["asked"]
    return sum(
        sum(item["statuses"].values())
        for item in asked
        if item["week"] is None and item["endpoint"] == "POST data weeklySummary"
    )


class TestAcrossWeeks:
    def test_a_restatement_99_days_after_publication_is_found(self, fetched: Desk) -> None:
        day = PUBLISHED + timedelta(days=99)
        restate(fetched.server, day)
        assert look_on(fetched, day - timedelta(days=1)).changed == {}
        assert list(look_on(fetched, day).changed) == [KEY]
        assert fetch_changes(fetched) == {KEY: FetchOutcome.FETCHED}
        # Rows that came on the day of their change may lack later ones of that day.
        fetched.server.sim.today = day + timedelta(days=1)
        assert fetch_changes(fetched) == {KEY: FetchOutcome.SAME}
        fetched.server.sim.today = day + timedelta(days=2)  # the look is from the day before on
        assert fetch_changes(fetched) == {KEY: FetchOutcome.UNCHANGED}
        assert look_on(fetched, day + timedelta(days=3)).changed == {}

    def test_a_row_that_is_removed_is_found_by_the_totals_it_was_part_of(
        self, fetched: Desk
    ) -> None:
        day = PUBLISHED + timedelta(days=42)
        row = fetched.server.sim.rows(WEEK, Tier.OTC, "ATS_W_SMBL_FIRM").row(0, named=True)
        gone = Change(row["issueSymbolIdentifier"], row["MPID"])
        fetched.server.sim.archive.restate(Restatement(*KEY, day, (gone,)))
        assert list(look_on(fetched, day).changed) == [KEY]
        assert fetch_changes(fetched) == {KEY: FetchOutcome.FETCHED}

    def test_one_that_comes_later_on_the_day_of_a_look_is_found_by_the_next(
        self, fetched: Desk
    ) -> None:
        day = PUBLISHED + timedelta(days=50)
        assert look_on(fetched, day).changed == {}
        restate(fetched.server, day)
        assert list(look_on(fetched, day + timedelta(days=7)).changed) == [KEY]

    def test_a_look_without_changes_is_a_question_for_each_class_that_is_here(
        self, fetched: Desk
    ) -> None:
        """And one for rows that must be there, which proves that FINRA looks at old weeks."""
        fetched.server.sim.traffic.forget()
        assert look_on(fetched, PUBLISHED + timedelta(days=30)).changed == {}
        assert questions(fetched.server) == 2
        rows = [item["rows"] for item in fetched.server.sim.traffic.summary()["asked"]]
        assert sum(rows) == 1

    def test_other_weeks_that_changed_are_not_named_if_they_are_not_here(
        self, fetched: Desk
    ) -> None:
        day = PUBLISHED + timedelta(days=30)
        restate(fetched.server, day, (WEEK - timedelta(weeks=1), Tier.OTC, VenueClass.ATS))
        assert look_on(fetched, day).changed == {}

    def test_what_was_named_is_named_until_it_was_asked_about(self, fetched: Desk) -> None:
        day = PUBLISHED + timedelta(days=60)
        restate(fetched.server, day)
        assert list(look_on(fetched, day + timedelta(days=1)).changed) == [KEY]
        assert list(look_on(fetched, day + timedelta(days=19)).changed) == [KEY]
        named = look_on(fetched, day + timedelta(days=20)).changed
        assert list(named) == [KEY]
        assert named[KEY].date() == day + timedelta(days=19)  # it looked from the day before
        assert fetch_changes(fetched) == {KEY: FetchOutcome.FETCHED}
        assert look_on(fetched, day + timedelta(days=21)).changed == {}

    def test_a_file_that_a_person_dropped_is_asked_about_once(self, fetched: Desk) -> None:
        """When it was downloaded is unknown: the time of its capture is no help."""
        for path in fetched.files():
            path.unlink()
        (folder(fetched.settings) / "looks.json").unlink()
        lake = open_lake(fetched.settings.lake_place)
        name = lake.folder("otc_raw", WEEK) / "OTC.ATS.20250716T000000Z-0123456789ab.parquet"
        assert isinstance(name, Path)
        name.parent.mkdir(parents=True)
        name.touch()  # the name is enough
        assert list(look_on(fetched, PUBLISHED + timedelta(days=30)).changed) == [KEY]

    def test_a_look_that_finra_interrupts_continues_where_it_was(self, desk: Desk) -> None:
        week = Wanted(weeks={WEEK}, classes={VenueClass.ATS})
        assert not desk.fetch(week).failures
        look_on(desk, PUBLISHED + timedelta(days=2))
        day = PUBLISHED + timedelta(days=40)
        for tier in Tier:
            restate(desk.server, day, (WEEK, tier, VenueClass.ATS))
        sim = desk.server.sim
        sim.traffic.forget()

        def break_down(_: str) -> None:
            if questions(desk.server) == 2:
                sim.faults.add(Fault(FaultKind.GATEWAY_TIMEOUT))

        sim.log = break_down
        with pytest.raises(FinraUnavailable, match="504"):
            look_on(desk, day)  # the proof and one of three questions are answered
        sim.log = None
        sim.faults.clear()
        sim.traffic.forget()
        found = look_on(desk, day).changed
        assert sorted(found) == sorted((WEEK, tier, VenueClass.ATS) for tier in Tier)
        assert questions(desk.server) == 1 + 2


class TestRefused:
    """FINRA does not answer the question, or not truly: each answer is asked about in its turn."""

    @pytest.mark.parametrize(
        ("kind", "why"),
        [
            (FaultKind.ACROSS_REFUSED, "400 Bad Request"),
            (FaultKind.FORBIDDEN, "403 Forbidden"),
            (FaultKind.DAYS_IGNORED, "rows are outside of it, for example"),
            (FaultKind.NOTHING_ACROSS, "no row came, although rows of week 2025-06-13 were last"),
            (FaultKind.HTML, "text/html"),
        ],
    )
    def test_it_is_recorded_and_tried_again_after_a_week(
        self, fetched: Desk, kind: FaultKind, why: str
    ) -> None:
        fetched.server.sim.faults.add(Fault(kind))
        day = PUBLISHED + timedelta(days=10)
        refusal = look_on(fetched, day).refusal
        assert refusal is not None
        assert why in refusal.why
        fetched.server.sim.traffic.forget()
        assert look_on(fetched, day + timedelta(days=6)).refusal == refusal
        assert questions(fetched.server) == 0
        fetched.server.sim.faults.clear()
        assert look_on(fetched, day + timedelta(days=7)).refusal is None
        assert questions(fetched.server) == 2

    @pytest.mark.parametrize(
        ("age", "days"),
        [(1, 1), (28, 1), (29, 7), (182, 7), (183, 28), (300, 28)],
    )
    def test_an_answer_is_asked_about_the_less_often_the_older_it_is(
        self, desk: Desk, age: int, days: int
    ) -> None:
        """Restatements were seen until the 164th day: until the 182nd a week is the longest."""
        checked = datetime(2025, 7, 14, 16, tzinfo=UTC) + timedelta(days=age - days)
        for late, expected in ((0, True), (-1, False)):
            now = datetime(2025, 7, 14, 16, tzinfo=UTC) + timedelta(days=age)
            assert _is_due(KEY, checked - timedelta(days=late), now) is expected

    def test_a_restatement_99_days_after_publication_is_found_within_a_week(
        self, fetched: Desk
    ) -> None:
        fetched.server.sim.faults.add(Fault(FaultKind.ACROSS_REFUSED))
        day = PUBLISHED + timedelta(days=99)
        restate(fetched.server, day)
        found = {}
        for number in (-14, -8, -7, -1, 0, 6, 7):
            fetched.server.sim.today = day + timedelta(days=number)
            if outcome := fetch_changes(fetched).get(KEY):
                found[number] = outcome
        assert [number for number, what in found.items() if what is FetchOutcome.FETCHED] == [0]
        assert list(found) == [-14, -7, 0, 7]

    def test_what_was_changed_while_it_refused_is_named_when_it_answers_again(
        self, fetched: Desk
    ) -> None:
        day = PUBLISHED + timedelta(days=120)
        fetched.server.sim.faults.add(Fault(FaultKind.ACROSS_REFUSED))
        assert fetch_changes(fetched) == {}
        look_on(fetched, day)
        restate(fetched.server, day + timedelta(days=1))
        fetched.server.sim.faults.clear()
        assert list(look_on(fetched, day + timedelta(days=20)).changed) == [KEY]


class TestWrongClock:
    """Times in the future, recorded before a clock was set right, hide nothing."""

    @pytest.fixture
    def ahead(self, fetched: Desk) -> Desk:
        return replace(fetched, ahead=timedelta(days=366))

    def test_a_look_a_year_ahead_hides_no_restatement(self, fetched: Desk, ahead: Desk) -> None:
        fetch_changes(ahead)
        day = PUBLISHED + timedelta(days=20)
        fetched.server.sim.today = day
        restate(fetched.server, day)
        assert fetch_changes(fetched) == {KEY: FetchOutcome.FETCHED}

    def test_a_refusal_a_year_ahead_is_none(self, fetched: Desk, ahead: Desk) -> None:
        ahead.server.sim.faults.add(Fault(FaultKind.ACROSS_REFUSED))
        fetch_changes(ahead)
        assert open_looks(ahead.settings).refusal(ahead.now()) is not None
        assert open_looks(ahead.settings).refusal(fetched.now()) is None

    def test_what_is_fetched_after_a_file_with_a_future_time_is_newer(
        self, fetched: Desk, ahead: Desk
    ) -> None:
        restate(fetched.server, PUBLISHED + timedelta(days=3))
        assert {item.outcome for item in ahead.fetch(ONE).fetched} == {FetchOutcome.FETCHED}
        ahead.server.sim.today += timedelta(days=7)
        restate(fetched.server, PUBLISHED + timedelta(days=10))
        assert {item.outcome for item in fetched.fetch(ONE).fetched} == {FetchOutcome.FETCHED}
        assert {item.outcome for item in fetched.fetch(ONE).fetched} == {FetchOutcome.SAME}


class TestRecord:
    def test_a_damaged_file_is_an_empty_one(self, tmp_path: Path) -> None:
        path = tmp_path / "restatements.json"
        for damage in ("", "[]", '{"looked": 1}', '{"changed": {"a/b/c": "2025-10-01T12:00:00Z"}}'):
            path.write_text(damage)
            looks = Looks(path)
            assert (looks.latest(), looks.changed(NOON), looks.refusal(NOON)) == (None, {}, None)

    def test_an_interrupted_look_begins_again_after_an_hour(self, tmp_path: Path) -> None:
        looks = Looks(tmp_path / "restatements.json")
        with suppress(FinraUnavailable), looks.one_at_a_time(NOON):
            looks.add(Tier.OTC, VenueClass.ATS, [KEY])
            raise FinraUnavailable("away")
        for minutes, is_done in ((59, True), (60, False)):
            again = Looks(tmp_path / "restatements.json")
            assert again.latest() is None
            now = NOON + timedelta(minutes=minutes)
            with suppress(FinraUnavailable), again.one_at_a_time(now):
                assert again.is_done(Tier.OTC, VenueClass.ATS) is is_done
                assert not again.is_done(Tier.OTC, VenueClass.NON_ATS)
                raise FinraUnavailable("still away")
        assert again.changed(NOON) == {KEY: NOON}


class TestCommand:
    """`spine fetch`, whose clock is the real one: FINRA's day is today."""

    TODAY = datetime.now(UTC).date()
    WEEK = week_ending_of(TODAY - timedelta(days=35 + 99 + 7))

    @pytest.fixture
    def server(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimServer]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("SPINE_FINRA_REQUESTS_PER_SECOND", "20")
        with serving(replace(SMALL, rows=20, weeks=30, today=self.TODAY)) as running:
            monkeypatch.setenv("SPINE_FINRA_URL", running.url)
            yield running

    def told(self, *words: str) -> dict[str, object]:
        result = CliRunner().invoke(main, ["fetch", *words, "--json"])
        assert result.exit_code == 0, result.output
        found: dict[str, object] = json.loads(result.stdout)
        return found

    def test_a_week_restated_99_days_after_publication_is_fetched(self, server: SimServer) -> None:
        week = str(self.WEEK)
        self.told("--week", week, "--tier", "OTCE", "--class", "ats")
        assert self.told("--restated")["answers"] == []
        assert (self.TODAY - publication_day(self.WEEK, Tier.OTC)).days >= 99
        restate(server, self.TODAY, (self.WEEK, Tier.OTC, VenueClass.ATS))
        found = self.told("--restated")
        assert found["restatements"] == {"named": 1, "refusal": None}
        answers = found["answers"]
        assert isinstance(answers, list)
        assert [(item["week_ending"], item["grain"], item["outcome"]) for item in answers] == [
            (week, "totals", "fetched"),
            (week, "venues", "fetched"),
        ]

    def test_a_named_week_is_asked_about_where_nothing_is_new(self, server: SimServer) -> None:
        words = ("--week", str(self.WEEK), "--tier", "OTCE", "--class", "ats")
        self.told(*words)
        server.sim.traffic.forget()
        answers = self.told(*words)["answers"]
        assert isinstance(answers, list)
        assert {item["outcome"] for item in answers} == {"unchanged"}
        assert sum(len(item["statuses"]) for item in server.sim.traffic.summary()["asked"]) > 0

    def test_a_refusal_is_said(self, server: SimServer) -> None:
        self.told("--week", str(self.WEEK), "--tier", "OTCE", "--class", "ats")
        server.sim.faults.add(Fault(FaultKind.ACROSS_REFUSED))
        result = CliRunner().invoke(main, ["fetch", "--restated"])
        assert result.exit_code == 0, result.output
        assert "FINRA did not answer which weeks changed" in result.stdout
        assert "400 Bad Request" in result.stdout
