"""`spine fetch` as people and programs use it, against a simulated FINRA."""

from __future__ import annotations

import gzip
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from spine_assets.cli import main
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.dev.finra_sim import Change, Fault, Restatement, SimServer
from spine_assets.dev.finra_sim.faults import FaultKind
from spine_assets.otc.delivery.file_format import parse
from spine_assets.otc.delivery.provenance import MARK

WEEK = "2025-11-21"


@pytest.fixture(autouse=True)
def here(server: SimServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project that asks the simulated FINRA."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPINE_FINRA_URL", server.url)
    monkeypatch.setenv("SPINE_FINRA_REQUESTS_PER_SECOND", "20")
    return tmp_path


def spine(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def told(*words: str) -> dict[str, Any]:
    """What a command says to programs."""
    result = spine(*words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_week_is_fetched_and_the_next_step_is_named(here: Path) -> None:
    result = spine("fetch", "--week", WEEK)
    assert result.exit_code == 0, result.output
    assert "6 fetched; control totals: 6 fetched; 8 requests" in result.stdout
    assert f"spine backfill {WEEK}..{WEEK}" in result.stdout
    assert len(list(here.glob("data/landing/finra/2025/*.csv.gz"))) == 12
    assert len(list(here.glob("data/landing/finra/2025/*.totals.*.csv.gz"))) == 6


def test_programs_are_told_each_answer(here: Path) -> None:
    found = told("fetch", "--week", WEEK, "--tier", "OTCE", "--class", "non-ats")
    names = ("tier", "venue_class", "grain", "outcome")
    assert [tuple(answer[name] for name in names) for answer in found["answers"]] == [
        ("OTC", "NON_ATS", "totals", "fetched"),
        ("OTC", "NON_ATS", "venues", "fetched"),
    ]
    assert all((here / "data/landing" / answer["file"]).exists() for answer in found["answers"])
    assert found["restatements"] is None  # a named week is asked about in any case
    assert found["failures"] == []
    assert found["not_asked"] == 0
    assert found["requests"] >= 3


def test_a_dry_run_fetches_nothing(here: Path) -> None:
    found = told("fetch", "--all", "--dry-run")
    assert len(found["answers"]) > 6
    assert not any(answer["is_here"] for answer in found["answers"])
    assert not (here / "data" / "landing" / "finra").exists()
    assert "would fetch" in spine("fetch", "--all", "--dry-run").stdout


def test_since_takes_all_later_weeks(here: Path) -> None:
    found = told("fetch", "--since", "2025-12-05", "--class", "ats")
    assert {answer["week_ending"] for answer in found["answers"]} == {"2025-12-05", "2025-12-12"}
    assert {answer["tier"] for answer in found["answers"]} == {"NMS_TIER_1"}  # others come later


def test_weeks_older_than_finra_serves_are_told() -> None:
    result = spine("fetch", "--since", "2014-05-16", "--dry-run")
    assert "FINRA offers no week before 2025-10-" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fetch"], "--week WEEK, --since WEEK, --all or --restated"),
        (["fetch", "--all", "--week", WEEK], "--week WEEK, --since WEEK, --all or --restated"),
        (["fetch", "--week", "2025-11-20"], "weeks end on Fridays: 2025-11-21"),
        (["fetch", "--week", WEEK, "--tier", "OTCR"], "did you mean OTC?"),
        (["fetch", "--week", WEEK, "--class", "at"], "did you mean ats?"),
    ],
)
def test_wrong_usage_is_told(words: list[str], said: str) -> None:
    result = spine(*words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_week_that_is_not_offered_is_told_with_its_days() -> None:
    result = spine("fetch", "--week", "2026-01-02")
    assert result.exit_code == 1
    assert "NMS_TIER_1 on 2026-01-20" in result.stderr


def test_what_goes_wrong_is_told_in_finras_words_and_ends_with_1(server: SimServer) -> None:
    server.sim.faults.add(Fault(FaultKind.FORBIDDEN))
    result = spine("fetch", "--week", WEEK)
    assert result.exit_code == 1
    assert "403" in result.stdout
    assert "SPINE_FINRA_CLIENT_ID" in result.stdout
    server.sim.faults.clear()
    assert told("fetch", "--week", WEEK)["failures"] == []


def test_a_client_that_is_refused_does_not_ask_for_everything(server: SimServer) -> None:
    server.sim.faults.add(Fault(FaultKind.FORBIDDEN))
    result = spine("fetch", "--all")
    assert result.exit_code == 1
    assert "14 tiers of weeks were not requested" in result.stdout  # of 17


def test_rows_come_with_the_cookie_that_a_307_sets(here: Path, server: SimServer) -> None:
    server.sim.faults.add(Fault(FaultKind.COOKIE, on="any"))
    found = told("fetch", "--week", WEEK)
    assert [answer["outcome"] for answer in found["answers"]] == ["fetched"] * 12
    assert found["requests"] == 9  # one more than without
    assert len(list(here.glob("data/landing/finra/2025/*.csv.gz"))) == 12


def test_an_issuer_with_a_pipe_in_its_name_is_fetched_and_read_as_one_field(
    here: Path, server: SimServer
) -> None:
    name = f'QUARTZ | HARBOR "A" Common Stock{MARK}'
    row = Change("QZPIP", "OTCN", 4200, 7, issue_name=name)
    week = date.fromisoformat(WEEK)
    plan = Restatement(week, Tier.OTC, VenueClass.ATS, server.sim.today, (row,))
    server.sim.archive.restate(plan)
    found = told("fetch", "--week", WEEK, "--tier", "OTCE", "--class", "ats")
    assert found["failures"] == []
    (file,) = (item["file"] for item in found["answers"] if item["grain"] == "venues")
    content = gzip.decompress((here / "data/landing" / file).read_bytes())
    parsed = parse(content, server.sim.today)
    assert parsed.rejects.is_empty()
    mine = parsed.rows.filter(issueSymbolIdentifier="QZPIP")
    assert mine["issueName"].to_list() == [name]
    assert mine["totalWeeklyShareQuantity"].to_list() == [4200]


def test_all_weeks_come_from_the_historic_dataset_too(here: Path, server: SimServer) -> None:
    """It refuses sorting: the simulated one as FINRA's."""
    found = told("fetch", "--all")
    assert found["failures"] == []
    weeks = {answer["week_ending"] for answer in found["answers"]}
    historic = {str(week) for week, _ in server.sim.partitions("weeklySummaryHistoric")}
    assert len(historic) == 3
    assert historic < weeks
    assert {answer["outcome"] for answer in found["answers"]} == {"fetched"}
    assert len(list(here.glob("data/landing/finra/*/*.csv.gz"))) == len(found["answers"]) == 17 * 4


def test_one_week_that_is_refused_ends_no_other(server: SimServer) -> None:
    server.sim.faults.add(Fault(FaultKind.FORBIDDEN, count=1))
    result = spine("fetch", "--all", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (len(found["failures"]), len(found["answers"])) == (1, 16 * 4)


def test_a_wrong_setting_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINE_FINRA_CLIENT_ID", "someone")
    monkeypatch.setenv("SPINE_FINRA_REQUESTS_PER_SECOND", "500")
    monkeypatch.setenv("SPINE_FINRA_URL", "ftp://example.org")
    result = spine("fetch", "--week", WEEK)
    assert result.exit_code == 1
    for name in ("SPINE_FINRA_URL", "SPINE_FINRA_REQUESTS_PER_SECOND"):
        assert name in result.stderr
    assert "Traceback" not in result.output
