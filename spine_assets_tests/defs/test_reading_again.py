"""Jobs and commands read captures again: on a later day, and by another version of the program."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import dagster as dg
import pytest

from spine_assets.defs.otc.schedules import otc_ingest_check
from spine_assets.lake.local import LocalLake
from spine_assets.otc.captures import storage
from spine_assets.otc.delivery.line_schema import DELIVERED
from spine_assets.otc.state.build_context import RunContext
from spine_assets_tests.support.other_version import PARSER, upgrade
from spine_assets_tests.support.sites import Site, opened

WEEK, OTHER = date(2025, 11, 21), date(2025, 11, 14)
PUBLISHED = datetime(2025, 12, 22, 9, tzinfo=UTC)  # OTC of WEEK
EARLIER_PUBLISHED = "2025-12-15"  # OTC of OTHER
HEADER = "|".join(DELIVERED)


def rows(*lines: tuple[str, int, int, str]) -> bytes:
    """OTC rows of (symbol, shares, trades, day of update)."""
    texts = [
        f"OTC|{symbol}|{symbol} Corp|OTCX VENUE|OTCX|{shares}|{trades}|{day}"
        for symbol, shares, trades, day in lines
    ]
    return "".join(f"{text}\n" for text in (HEADER, *texts)).encode()


@pytest.fixture
def site(tmp_path: Path, code_location: dg.Definitions) -> Iterator[Site]:
    with opened(tmp_path, code_location) as made:
        yield made


def volumes(site: Site, week: date = WEEK) -> dict[str, int]:
    """Total shares by symbol, as `spine query` prints them."""
    sql = f"SELECT symbol, total_volume FROM otc_symbol_summary WHERE week_ending = '{week}'"
    done = site.spine("query", sql, "--csv")
    assert done.exit_code == 0, done.output
    rows = csv.DictReader(io.StringIO(done.stdout))
    return {row["symbol"]: int(row["total_volume"]) for row in rows}


def empty_landing(site: Site) -> None:
    for path in site.project.landing.iterdir():
        path.unlink()


def test_a_file_that_was_read_with_the_clock_a_day_behind_is_judged_again_by_the_job(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (("ABCD", 100, 2, "2025-12-22"), ("WXYZ", 7, 1, "2025-12-23"))
    site.drop("otc.csv", rows(*lines))

    def at(moment: datetime) -> None:
        with_clock = partial(RunContext, now=lambda: moment)
        monkeypatch.setattr("spine_assets.defs.resources.RunContext", with_clock)

    at(PUBLISHED)
    assert site.runner.week(WEEK).success
    assert volumes(site) == {"ABCD": 100}
    empty_landing(site)
    at(PUBLISHED + timedelta(hours=14))  # still the same day
    assert site.runner.week(WEEK).fact("otc_symbol_summary", WEEK, "unchanged") is True
    at(PUBLISHED + timedelta(days=1))
    done = site.runner.week(WEEK)
    assert done.success
    assert done.fact("otc_symbol_summary", WEEK, "unchanged") is False
    assert volumes(site) == {"ABCD": 100, "WXYZ": 7}


def test_backfill_after_an_upgrade_reads_the_lake_with_landing_empty(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (("ABCD", 100, 2, "2025-12-22"), ("WXYZ", 7, 1234, "2025-12-22"))
    site.drop("otc.csv", rows(*lines))
    lines = (("ABCD", 5, 4321, EARLIER_PUBLISHED), ("MNOP", 1, 1, EARLIER_PUBLISHED))
    site.drop("earlier.csv", rows(*lines))
    assert site.spine("backfill").exit_code == 0
    assert volumes(site) == {"ABCD": 100, "WXYZ": 7}
    empty_landing(site)
    upgrade(monkeypatch)

    status = json.loads(site.spine("status", "--json").stdout)
    of_tables = [week["tables"].values() for week in status["weeks"]]
    assert {table["lake"] for tables in of_tables for table in tables} == {"stale"}
    planned = json.loads(site.spine("backfill", "--missing", "--dry-run", "--json").stdout)
    assert planned["weeks"] == [str(OTHER), str(WEEK)]
    refused = site.spine("run", "otc.summarize", "-p", f"week_ending={WEEK}")
    assert refused.exit_code == 1
    assert "otc_raw is older than its files (otc.csv) or its rules" in refused.output

    assert site.spine("backfill", str(WEEK)).exit_code == 0
    assert volumes(site) == {"ABCD": 100}
    (item,) = storage.stored(LocalLake(site.project.lake), WEEK)
    assert item.parser == PARSER
    assert site.spine("backfill", "--missing").exit_code == 0
    assert volumes(site, OTHER) == {"MNOP": 1}
    planned = json.loads(site.spine("backfill", "--missing", "--dry-run", "--json").stdout)
    assert planned["weeks"] == []


def test_the_weekly_schedule_requests_weeks_that_are_to_be_read_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.drop("otc.csv", rows(("ABCD", 100, 2, "2025-12-22")))
    assert site.runner.week(WEEK).success
    wednesday = datetime(2026, 1, 21, 12, tzinfo=UTC)

    def ticked() -> object:
        with dg.build_schedule_context(
            instance=site.runner.instance, scheduled_execution_time=wednesday
        ) as context:
            return otc_ingest_check(context)

    assert isinstance(ticked(), dg.SkipReason)
    upgrade(monkeypatch)
    found = ticked()
    assert isinstance(found, list)
    (request,) = found
    assert request.tags["dagster/partition"] == str(WEEK)
