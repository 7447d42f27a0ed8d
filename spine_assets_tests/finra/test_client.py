"""Asking a simulated FINRA over real sockets."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import httpx
import polars as pl
import pytest

from spine_assets.core.settings import FinraSettings
from spine_assets.core.weeks import Tier, VenueClass, publication_day
from spine_assets.dev.finra_sim import Change, Fault, Restatement, SimServer, serving
from spine_assets.dev.finra_sim.faults import FaultKind
from spine_assets.finra import client as client_module
from spine_assets.finra.answers import Row
from spine_assets.finra.api import SUMMARY_TYPES, TOTAL_TYPES, Dataset, Offer, Question
from spine_assets.finra.client import FinraClient, Patience
from spine_assets.finra.errors import (
    AnswerChanged,
    FinraContradicts,
    FinraError,
    FinraRefused,
    FinraUnavailable,
)
from spine_assets.finra.fetching import offered
from spine_assets_tests.finra.conftest import IMPATIENT, SMALL, TODAY, client_of
from spine_assets_tests.outbound.conftest import OWN, PUBLIC, Addresses
from spine_assets_tests.pipelines.steps.engines.web import Page, Site
from spine_assets_tests.pipelines.steps.engines.web import serving as serving_site
from spine_assets_tests.support.servers import free_port

WEEK = date(2025, 11, 21)
ATS = Question(WEEK, Tier.NMS_TIER_1, Dataset.CURRENT, VenueClass.ATS, limit=7)
KEY = ("summaryTypeCode", "issueSymbolIdentifier", "MPID", "marketParticipantName")


def rows_of(client: FinraClient, question: Question) -> list[Row]:
    return [row for page in client.pages(question) for row in page.rows]


def key_of(row: Row) -> tuple[object, ...]:
    """What a row is of; some CRD numbers come as text or with an exponent."""
    crd = row["firmCRDNumber"]
    return (*(row[name] for name in KEY), None if crd is None else int(Decimal(crd)))


def held(server: SimServer, question: Question) -> int:
    """How many rows of a question the server holds."""
    rows = server.sim.rows(question.week_ending, question.tier)
    return rows.filter(pl.col("summaryTypeCode").is_in(question.summary_types)).height


class TestPages:
    @pytest.mark.parametrize("venue_class", list(VenueClass))
    @pytest.mark.parametrize("tier", list(Tier))
    def test_all_rows_of_the_class_come_once(
        self, server: SimServer, tier: Tier, venue_class: VenueClass
    ) -> None:
        question = replace(ATS, tier=tier, venue_class=venue_class)
        with client_of(server.url) as client:
            rows = rows_of(client, question)
        kinds = {SUMMARY_TYPES[venue_class], *TOTAL_TYPES[venue_class]}
        theirs = server.sim.rows(WEEK, tier).filter(pl.col("summaryTypeCode").is_in(kinds))
        expected = {key_of(row) for row in theirs.iter_rows(named=True)}
        assert {key_of(row) for row in rows} == expected
        assert len(rows) == theirs.height > 0
        assert {row["summaryTypeCode"] for row in rows} == kinds

    def test_a_short_page_is_not_the_end(self, server: SimServer) -> None:
        server.sim.faults.add(Fault(FaultKind.SHORT_PAGE, rate=0.7))
        with client_of(server.url) as client:
            assert len(rows_of(client, ATS)) == held(server, ATS)
            assert client.requests > held(server, ATS) / 7

    def test_no_rows_are_an_empty_answer_without_a_body(self, server: SimServer) -> None:
        nothing = replace(ATS, updated_from=date(2026, 1, 1))
        with client_of(server.url) as client:
            assert rows_of(client, nothing) == []
            assert client.count(nothing) == 0
            assert client.count(ATS) == held(server, ATS)

    def test_it_goes_on_after_the_rows_that_are_there(self, server: SimServer) -> None:
        with client_of(server.url) as client:
            whole = rows_of(client, ATS)
            rest = [row for page in client.pages(ATS, 10, len(whole)) for row in page.rows]
            nothing = list(client.pages(ATS, len(whole), len(whole)))
        assert rest == whole[10:]
        assert nothing == []

    def test_an_answer_that_changes_between_pages_is_not_mixed(self, server: SimServer) -> None:
        with client_of(server.url) as client:
            pages = client.pages(ATS)
            next(pages)
            rows = server.sim.rows(WEEK, ATS.tier, SUMMARY_TYPES[VenueClass.ATS])
            one = rows.row(0, named=True)
            gone = Change(one["issueSymbolIdentifier"], one["MPID"])
            server.sim.archive.restate(Restatement(WEEK, ATS.tier, VenueClass.ATS, TODAY, (gone,)))
            with pytest.raises(AnswerChanged, match="rows became"):
                list(pages)

    def test_the_historic_dataset_gives_all_summary_types(self, server: SimServer) -> None:
        with client_of(server.url) as client:
            week = min(offer.week_ending for offer in client.offers(Dataset.HISTORIC))
            question = Question(week, Tier.OTC, Dataset.HISTORIC)
            kinds = {row["summaryTypeCode"] for row in rows_of(client, question)}
        assert set(SUMMARY_TYPES.values()) < kinds


class TestOffers:
    def test_each_tier_is_offered_from_its_publication_day_on(self, server: SimServer) -> None:
        with client_of(server.url) as client:
            for day in (date(2025, 12, 21), date(2025, 12, 22), TODAY):
                server.sim.today = day
                offers = offered(client)
                assert offers
                for (week, tier), offer in offers.items():
                    assert publication_day(week, tier) <= day
                    assert (offer.week_ending, offer.tier) == (week, tier)
                for tier in Tier:
                    newest = max(week for week, known in offers if known is tier)
                    assert publication_day(newest + timedelta(weeks=1), tier) > day

    def test_each_dataset_has_weeks_of_its_own(self, server: SimServer) -> None:
        with client_of(server.url) as client:
            offers = offered(client)
        assert {offer.dataset for offer in offers.values()} == set(Dataset)
        assert all(isinstance(offer, Offer) for offer in offers.values())

    def test_what_both_datasets_hold_is_asked_of_the_current_one(self) -> None:
        """A server that answers each request for partitions with the same week."""
        body = json.dumps({"availablePartitions": [{"partitions": ["2025-11-17", "T1"]}]})
        with (
            answering({"content-type": "application/json"}, body) as url,
            client_of(url) as client,
        ):
            (offer,) = offered(client).values()
        assert offer == Offer(WEEK, Tier.NMS_TIER_1, Dataset.CURRENT)

    def test_finras_first_week_is_offered_and_none_before_it(self) -> None:
        weeks = [[monday, "T1"] for monday in ("2014-05-19", "2014-05-12", "2014-05-05")]
        head = {"content-type": "application/json"}
        with (
            answering(
                head, json.dumps({"availablePartitions": [{"partitions": w} for w in weeks]})
            ) as url,
            client_of(url) as client,
        ):
            offers = client.offers(Dataset.CURRENT)
        assert [offer.week_ending for offer in offers] == [date(2014, 5, 16), date(2014, 5, 23)]


class TestPassingFaults:
    @pytest.mark.parametrize(
        "fault",
        [
            Fault(FaultKind.TOO_MANY, count=2, seconds=0),
            Fault(FaultKind.TOO_MANY_BARE, count=2),
            Fault(FaultKind.GATEWAY_TIMEOUT, count=3),
            Fault(FaultKind.UNAVAILABLE, count=2),
            Fault(FaultKind.CUT, count=2),
        ],
        ids=lambda fault: fault.kind,
    )
    def test_a_busy_server_is_asked_again(self, server: SimServer, fault: Fault) -> None:
        server.sim.faults.add(fault)
        with client_of(server.url) as client:
            assert len(rows_of(client, replace(ATS, limit=5000))) == held(server, ATS)
            assert client.requests == 1 + (fault.count or 0)

    def test_it_waits_as_long_as_it_is_asked_to(self, server: SimServer) -> None:
        server.sim.faults.add(Fault(FaultKind.TOO_MANY, count=1, seconds=1))
        with client_of(server.url) as client:
            begun = time.monotonic()
            client.count(ATS)
            assert time.monotonic() - begun >= 1

    def test_a_wait_that_is_too_long_is_told_at_once(self, server: SimServer) -> None:
        server.sim.faults.add(Fault(FaultKind.TOO_MANY, seconds=3600))
        with client_of(server.url) as client, pytest.raises(FinraUnavailable) as caught:
            client.count(ATS)
        assert client.requests == 1
        assert caught.value.wait_seconds == 3600
        assert "429" in str(caught.value)

    def test_the_longest_wait_is_one_that_is_waited_for(self, server: SimServer) -> None:
        server.sim.faults.add(Fault(FaultKind.TOO_MANY, count=1, seconds=0))
        settings = FinraSettings(url=server.url)
        with FinraClient(settings, Patience(2, first_seconds=0.0, most_seconds=0.0)) as client:
            assert client.count(ATS) == held(server, ATS)
            assert client.requests == 2

    def test_a_wait_until_a_time_that_is_past_is_none(self) -> None:
        head = {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}
        with (
            answering(head, "busy", status="503 Service Unavailable") as url,
            client_of(url) as client,
            pytest.raises(FinraUnavailable) as caught,
        ):
            client.count(ATS)
        assert client.requests == IMPATIENT.attempts
        assert caught.value.wait_seconds == 0

    def test_it_gives_up_and_says_what_finra_said(self, server: SimServer) -> None:
        server.sim.faults.add(Fault(FaultKind.GATEWAY_TIMEOUT))
        with client_of(server.url) as client, pytest.raises(FinraUnavailable, match="504"):
            client.count(ATS)
        assert client.requests == IMPATIENT.attempts

    def test_a_server_that_is_not_there_is_told_by_its_address(self, server: SimServer) -> None:
        server.stop()
        with client_of(server.url) as client, pytest.raises(FinraUnavailable) as caught:
            client.count(ATS)
        assert server.url in str(caught.value)
        assert "SPINE_FINRA_URL" in str(caught.value)
        server.start()
        with client_of(server.url) as client:
            assert client.count(ATS) == held(server, ATS)

    def test_an_answer_that_takes_too_long_is_a_passing_fault(self, server: SimServer) -> None:
        server.sim.faults.add(Fault(FaultKind.SLOW, count=1, seconds=6))
        with client_of(server.url, timeout_seconds=2) as client:
            assert client.count(ATS) == held(server, ATS)
            assert client.requests == 2


class TestRefusals:
    @pytest.mark.parametrize(
        ("fault", "kind", "told"),
        [
            (Fault(FaultKind.HTML), FinraContradicts, "text/html"),
            (Fault(FaultKind.FORBIDDEN), FinraRefused, "SPINE_FINRA_CLIENT_ID"),
            (Fault(FaultKind.UNAUTHORIZED), FinraRefused, "401"),
            (Fault(FaultKind.TOTALS_REFUSED), FinraRefused, "400"),
        ],
        ids=lambda value: getattr(value, "kind", None),
    )
    def test_what_will_not_pass_is_told_at_once(
        self, server: SimServer, fault: Fault, kind: type[FinraError], told: str
    ) -> None:
        server.sim.faults.add(fault)
        with client_of(server.url) as client, pytest.raises(kind, match=told):
            client.count(ATS)
        assert client.requests == 1

    def test_a_question_finra_cannot_answer_is_told_in_its_words(self, server: SimServer) -> None:
        wrong = Question(WEEK, Tier.OTC, Dataset.HISTORIC, VenueClass.ATS)
        with client_of(server.url) as client, pytest.raises(FinraRefused, match="400") as caught:
            client.count(wrong)
        assert "summaryTypeCode" in str(caught.value)

    def test_rows_after_the_last_offset_are_asked_for(self, server: SimServer) -> None:
        with client_of(server.url) as client:
            assert client.page(ATS, 500_000).rows == []
            assert client.requests == 1

    def test_more_rows_than_can_be_reached_are_told(self, server: SimServer) -> None:
        with client_of(server.url) as client, pytest.raises(FinraContradicts, match="500,000"):
            client.page(ATS, 500_001)

    @pytest.mark.parametrize(
        ("headers", "body", "told"),
        [
            ({"Record-Total": "2"}, "[1, 2]", "not a list of rows"),
            ({"Record-Total": "2"}, '{"rows": []}', "not a list of rows"),
            ({"Record-Total": "2"}, "[{]", "invalid JSON"),
            ({}, "[]", "no valid Record-Total"),
            ({"Record-Total": "-1"}, "[]", "no valid Record-Total"),
            ({"Record-Total": "5"}, "[]", "no row came after 0 of 5"),
            ({"Record-Total": "1"}, "[{}, {}]", "2 rows came of 1"),
        ],
    )
    def test_an_answer_that_makes_no_sense_is_refused(
        self, headers: dict[str, str], body: str, told: str
    ) -> None:
        head = {"content-type": "application/json", **headers}
        with (
            answering(head, body) as url,
            client_of(url) as client,
            pytest.raises(FinraContradicts, match=told),
        ):
            rows_of(client, ATS)

    @pytest.mark.parametrize("packed", [False, True])
    def test_a_page_that_never_ends_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, *, packed: bool
    ) -> None:
        monkeypatch.setattr(client_module, "MOST_BYTES", 100_000)
        with (
            serving_pages(finra_page(200_000, packed=packed)) as site,
            client_of(site.url) as client,
        ):
            with pytest.raises(FinraContradicts, match="more than 100,000 bytes"):
                client.offers(Dataset.CURRENT)
            assert client.requests == 1
            site.pages.update(finra_page(90_000, packed=packed))
            assert client.offers(Dataset.CURRENT) == []


def finra_page(size: int, *, packed: bool) -> dict[str, Page]:
    """An answer without partitions, of some bytes as they are read."""
    body = json.dumps({"availablePartitions": []}).ljust(size).encode()
    headers = {"content-type": "application/json"}
    if packed:
        body, headers["content-encoding"] = gzip.compress(body), "gzip"
    return {f"/partitions/group/otcMarket/name/{Dataset.CURRENT}": Page(body, headers=headers)}


@contextmanager
def serving_pages(pages: dict[str, Page], host: str = "127.0.0.1", port: int = 0) -> Iterator[Site]:
    """A server of pages."""
    with serving_site(host=host, port=port) as site:
        site.pages.update(pages)
        yield site


class TestRedirects:
    def test_a_name_that_changes_its_address_cannot_lead_to_this_machine(
        self, addresses: Addresses
    ) -> None:
        """Even on FINRA's own host."""
        addresses.of["finra.test"] = [PUBLIC, OWN]
        port = free_port()
        path = f"/partitions/group/otcMarket/name/{Dataset.CURRENT}"
        moved = {path: Page(status=307, headers={"location": "/moved?token=s3cr3t"})}
        with serving_pages(moved, PUBLIC, port), serving_pages({}, OWN, port) as inside:
            with (
                client_of(f"http://finra.test:{port}") as client,
                pytest.raises(FinraRefused, match="this machine or its networks") as caught,
            ):
                client.offers(Dataset.CURRENT)
            assert inside.asked == []
        assert "s3cr3t" not in str(caught.value)
        assert client.requests == 2

    def test_the_rows_come_with_the_cookie_that_a_redirect_sets(self, server: SimServer) -> None:
        """One redirect for all: the client keeps the cookie."""
        server.sim.faults.add(Fault(FaultKind.COOKIE, on="any"))
        with client_of(server.url) as client:
            assert len(rows_of(client, replace(ATS, limit=5000))) == held(server, ATS)
            assert client.requests == 2
            assert client.count(ATS) == held(server, ATS)
            assert client.offers(Dataset.CURRENT)
            assert client.requests == 4

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_the_same_question_goes_to_the_new_path(self, status: int) -> None:
        """And never a GET, whose filters FINRA ignores."""
        heard: list[str] = []
        moved = answer_of({"location": "/elsewhere"}, "", f"{status} Moved")
        rows = answer_of({"content-type": "application/json", "Record-Total": "0"}, "[]")
        with answering_with([moved, rows], heard) as url, client_of(url) as client:
            assert client.count(ATS) == 0
            assert client.requests == 2
        first, second = (text.partition("\r\n\r\n") for text in heard)
        assert second[0].startswith("POST /elsewhere ")
        assert second[2] == first[2] != ""

    @pytest.mark.parametrize(
        ("location", "said"),
        [
            ("https://www.finra.org/elsewhere", "redirects to https://www.finra.org, which is not"),
            ("http://127.0.0.1:9/data", "redirects to http://127.0.0.1:9, which is not followed"),
            ("//evil.example/data", "redirects to http://evil.example, which"),
            (None, "without the address to go to"),
        ],
    )
    def test_no_question_and_no_credentials_go_elsewhere(
        self, location: str | None, said: str
    ) -> None:
        head = {"location": location} if location else {}
        with (
            answering(head, "", status="301 Moved Permanently") as url,
            client_of(url) as client,
            pytest.raises(FinraRefused, match="301") as caught,
        ):
            rows_of(client, ATS)
        assert said in str(caught.value)
        assert client.requests == 1

    @pytest.mark.parametrize(
        ("asked", "location", "said"),
        [
            ("https://api.finra.org/data", "http://api.finra.org/data", "http://api.finra.org,"),
            ("https://api.finra.org/data", "https://api.finra.org:444/", "org:444, which is not"),
            ("http://api.finra.org/data", "https://api.finra.org/data", None),
        ],
    )
    def test_https_never_becomes_http_and_the_other_way_is_fine(
        self, asked: str, location: str, said: str | None
    ) -> None:
        """Of the addresses alone: no test server here speaks TLS."""
        request = httpx.Request("POST", asked)
        moved = httpx.Response(307, headers={"location": location}, request=request)
        if said is None:
            assert client_module._redirected(moved) == location
            return
        with pytest.raises(FinraRefused, match="is not followed") as caught:
            client_module._redirected(moved)
        assert said in str(caught.value)

    def test_a_circle_ends_after_five_redirects_which_all_count(self) -> None:
        heard: list[str] = []
        with (
            answering({"location": "/again"}, "", heard, "307 Temporary Redirect") as url,
            client_of(url, requests_per_second=5) as client,
        ):
            begun = time.monotonic()
            with pytest.raises(FinraRefused, match="redirected more than 5 times"):
                client.count(ATS)
            assert time.monotonic() - begun >= 1  # the sixth request had to wait
            assert client.requests == len(heard) == 6


class TestOtherTiers:
    def test_each_is_said_once_and_only_an_unknown_one_is_a_warning(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        client_module._report_other_tier.cache_clear()
        weeks = [[monday, tier] for monday in ("2025-11-17", "2025-11-10") for tier in ODD]
        body = json.dumps({"availablePartitions": [{"partitions": item} for item in weeks]})
        caplog.set_level(logging.INFO, "spine_assets.finra.client")
        with answering({"content-type": "application/json"}, body) as url, client_of(url) as client:
            for _ in range(2):
                offers = client.offers(Dataset.CURRENT)
        assert [offer.tier for offer in offers] == [Tier.NMS_TIER_1] * 2
        said = [(record.levelname, record.getMessage()) for record in caplog.records]
        assert sorted(said) == [
            ("INFO", "FINRA also offers tier NA, totals of several tiers: not fetched"),
            ("INFO", "FINRA also offers tier NMS, totals of several tiers: not fetched"),
            ("WARNING", "FINRA also offers tier 'T9', which is not known here: not fetched"),
        ]


ODD = ("T1", "NMS", "NA", "T9")
SIGNED = {"client_id": "spine-sim", "client_secret": "synthetic"}
SIGNED_ONLY = replace(SMALL, require_auth=True)


class TestCredentials:
    def test_without_a_key_it_is_said_which_to_set(self) -> None:
        with (
            serving(SIGNED_ONLY) as server,
            client_of(server.url) as client,
            pytest.raises(FinraRefused, match="SPINE_FINRA_CLIENT_SECRET"),
        ):
            client.count(ATS)

    def test_one_token_serves_many_requests(self) -> None:
        with serving(SIGNED_ONLY) as server, client_of(server.url, **SIGNED) as client:
            assert len(rows_of(client, ATS)) == held(server, ATS)
            told = server.sim.traffic.summary()["endpoints"]
            tokens = [found for name, found in told.items() if "token" in name]
            assert tokens == [{"200": 1}]

    def test_a_token_that_has_ended_is_renewed(self) -> None:
        with serving(SIGNED_ONLY) as server, client_of(server.url, **SIGNED) as client:
            client.count(ATS)
            assert server.sim.access.expire_all() == 1
            assert client.count(ATS) == held(server, ATS)

    def test_a_short_lived_token_is_asked_for_again(self) -> None:
        short = replace(SIGNED_ONLY, token_seconds=1)
        with serving(short) as server, client_of(server.url, **SIGNED) as client:
            assert len(rows_of(client, ATS)) == held(server, ATS)

    @pytest.mark.parametrize(("seconds", "tokens"), [(60, 2), (120, 1)])
    def test_a_token_is_renewed_a_minute_before_it_ends(self, seconds: int, tokens: int) -> None:
        signed = replace(SIGNED_ONLY, token_seconds=seconds)
        with serving(signed) as server, client_of(server.url, **SIGNED) as client:
            for _ in range(2):
                client.count(ATS)
            told = server.sim.traffic.summary()["endpoints"]
        assert [found for name, found in told.items() if "token" in name] == [{"200": tokens}]

    @pytest.mark.parametrize(
        ("client_id", "secret", "status"),
        [("spine-sim", "hunter2", "401"), ("spine-sim-without-data", "synthetic", "403")],
    )
    def test_wrong_credentials_are_told_and_not_repeated(
        self, client_id: str, secret: str, status: str
    ) -> None:
        with (
            serving(SIGNED_ONLY) as server,
            client_of(server.url, client_id=client_id, client_secret=secret) as client,
            pytest.raises(FinraRefused, match=status) as caught,
        ):
            client.count(ATS)
        assert secret not in str(caught.value)

    def test_a_token_server_that_never_answers_is_given_up(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/token"
            settings = {**SIGNED, "token_url": url, "timeout_seconds": 0.3}
            done: list[Exception] = []

            def ask() -> None:
                with client_of("http://127.0.0.1:9", **settings) as client:
                    try:
                        client.count(ATS)
                    except FinraUnavailable as error:
                        done.append(error)

            asking = threading.Thread(target=ask, daemon=True)
            asking.start()
            asking.join(60)
        assert not asking.is_alive()
        assert "ReadTimeout" in str(done[0])

    def test_an_endless_answer_with_a_token_is_refused(self) -> None:
        with (
            answering({}, " " * 200_000) as url,
            client_of(url, **SIGNED) as client,
            pytest.raises(FinraContradicts, match="access_token: more than 100,000 bytes"),
        ):
            client.count(ATS)

    def test_a_token_that_is_packed_more_than_once_is_refused(self) -> None:
        with (
            answering({"content-encoding": "gzip, gzip"}, " ") as url,
            client_of(url, **SIGNED) as client,
            pytest.raises(FinraUnavailable, match="packed more than once"),
        ):
            client.count(ATS)

    def test_a_busy_token_server_is_asked_again(self) -> None:
        with serving(SIGNED_ONLY) as server, client_of(server.url, **SIGNED) as client:
            server.sim.faults.add(Fault(FaultKind.UNAVAILABLE, count=2, on="token"))
            assert client.count(ATS) == held(server, ATS)


def test_it_stays_below_its_limit_of_requests(server: SimServer) -> None:
    with client_of(server.url, requests_per_second=5) as client:
        for _ in range(12):
            client.count(ATS)
    told = server.sim.traffic.summary()
    assert told["most_in_one_second"] <= 5


def test_it_says_who_asks(server: SimServer) -> None:
    heard: list[str] = []
    head = {"content-type": "application/json", "Record-Total": "0"}
    with answering(head, "[]", heard) as url, client_of(url) as client:
        client.count(ATS)
    assert "user-agent: spine-assets/" in heard[0].lower()
    asked = json.loads(heard[0].partition("\r\n\r\n")[2])
    assert asked["limit"] == 1
    assert {
        "fieldName": "weekStartDate",
        "compareType": "EQUAL",
        "fieldValue": "2025-11-17",
    } in asked["compareFilters"]


def answer_of(headers: dict[str, str], body: str, status: str = "200 OK") -> bytes:
    """A response as it is on the wire."""
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return (
        f"HTTP/1.1 {status}\r\n{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n{body}"
    ).encode()


def answering(
    headers: dict[str, str], body: str, heard: list[str] | None = None, status: str = "200 OK"
) -> answering_with:
    """A server that gives one answer to whatever is asked."""
    return answering_with([answer_of(headers, body, status)], heard)


class answering_with:  # noqa: N801 - reads as a context manager
    """A server that gives answers in their order, and the last one from then on."""

    def __init__(self, answers: list[bytes], heard: list[str] | None = None) -> None:
        self._answers = answers
        self._heard = heard if heard is not None else []
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> str:
        threading.Thread(target=self._serve, daemon=True).start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._heard.append(_request(connection.recv))
                number = min(len(self._heard), len(self._answers)) - 1
                connection.sendall(self._answers[number])


def _request(receive: Callable[[int], bytes]) -> str:
    """Head and body of a request."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += receive(65_536)
    head, _, body = text.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    wanted = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < wanted:
        body += receive(65_536)
    return (head + b"\r\n\r\n" + body).decode()
