"""Exit codes by which CI and timers see findings and weeks that are not done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from spine_assets.core.weeks import Tier, publication_day, week_ending_of, weeks_between
from spine_assets_tests.support.sites import Site, opened

WEEK = date(2025, 11, 14)
BAD_LINE = "OTC|BADX|Bad Corp|OTCX VENUE|OTCX|1e6|1|2025-12-15\n"


@pytest.fixture
def site(tmp_path: Path, code_location: dg.Definitions) -> Iterator[Site]:
    """An empty site whose Dagster the command sees."""
    with opened(tmp_path, code_location) as made:
        yield made


def code(site: Site, *words: str) -> int:
    return site.spine(*words).exit_code


def test_anomalies_fail_on_what_is_as_severe_as_asked(site: Site) -> None:
    assert code(site, "anomalies", "--fail-on", "warn") == 0
    site.project.deliver(WEEK, Tier.OTC)
    assert site.runner.week(WEEK).success
    assert code(site, "anomalies") == 0
    assert code(site, "anomalies", "--fail-on", "warn") == 1
    assert code(site, "anomalies", "--fail-on", "error") == 0
    assert code(site, "anomalies", "--fail-on", "warn", "--table", "otc_symbol_summary") == 0
    path = site.project.landing / f"week_ending={WEEK}" / "otc.csv"
    path.write_text(path.read_text() + BAD_LINE)
    site.runner.week(WEEK)
    assert code(site, "anomalies", "--fail-on", "error", "--json") == 1
    assert code(site, "anomalies", "--fail-on", "error", "--limit", "1") == 1


def test_status_fails_while_something_shown_is_not_done(site: Site) -> None:
    today = datetime.now(UTC).date()
    weeks = weeks_between(week_ending_of(today) - timedelta(weeks=7), week_ending_of(today))
    due = {
        week: tiers
        for week in weeks
        if (tiers := [tier for tier in Tier if publication_day(week, tier) <= today])
    }
    first, last = min(due), max(due)
    for week, tiers in due.items():
        site.project.deliver(week, *tiers)
    assert code(site, "status", "--exit-code") == 1
    assert code(site, "status") == 0
    assert site.runner.range(first, last).success
    assert code(site, "status", "--exit-code") == 0
    assert code(site, "status", "--exit-code", "--json") == 0
    site.runner.instance.wipe_assets([dg.AssetKey("otc_venue_share")])
    assert code(site, "status", "--exit-code", "--json") == 1
    assert site.spine("doctor", "--repair").exit_code == 0
    assert code(site, "status", "--exit-code") == 0
    site.drop("broken.csv", b"no header of ours\n")
    assert code(site, "status", "--exit-code") == 1


def test_status_due_fails_while_a_tier_is_overdue(site: Site) -> None:
    assert code(site, "status", "--due", "--exit-code") == 0
    site.project.deliver(WEEK, Tier.OTC)
    assert site.runner.week(WEEK).success
    assert code(site, "status", "--due", "--exit-code") == 1
    assert code(site, "status", "--due") == 0
