"""Dagster's daemon judges how long a table has had no build, and the UI shows it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import dagster as dg
import pytest

from spine_assets.core.weeks import Tier, publication_day, week_ending_of
from spine_assets.orchestration.asset_specs import FRESHNESS
from spine_assets.orchestration.history import open_instance
from spine_assets.report import NAME as REPORT
from spine_assets_tests.support.projects import TABLES, Project, Runner
from spine_assets_tests.support.servers import START_SECONDS, Server, free_port, started, wait_until

TODAY = datetime.now(UTC)
NEWEST = week_ending_of(TODAY.date() - timedelta(days=35))
"""As old as the newest complete week normally is."""
ASKED = """
{ assetNodes(assetKeys: [%s]) {
    assetKey { path }
    internalFreshnessPolicy { ... on TimeWindowFreshnessPolicy { warnWindowSeconds } }
    freshnessStatusInfo { freshnessStatus }
} }
"""


def build(runner: Runner, at: datetime, selection: list[str], week: date = NEWEST) -> None:
    """A run of some tables, as if it were made at another time: Dagster's own clock is moved."""
    with (
        patch("dagster._time._mockable_get_current_datetime", return_value=at),
        patch("dagster._time._mockable_get_current_timestamp", return_value=at.timestamp()),
        patch("time.time", return_value=at.timestamp()),
    ):
        assert runner.week(week, selection, force=True).success


def statuses(server: Server) -> dict[str, str]:
    keys = ", ".join(f'{{path: ["{name}"]}}' for name in TABLES)
    nodes: list[dict[str, Any]] = server.ask(ASKED % keys)["assetNodes"]
    assert [node for node in nodes if not node["internalFreshnessPolicy"]] == []
    return {
        node["assetKey"]["path"][-1]: node["freshnessStatusInfo"]["freshnessStatus"]
        for node in nodes
    }


def test_each_table_and_the_report_have_the_policy_and_nothing_else_of_ours_has(
    code_location: dg.Definitions,
) -> None:
    graph = code_location.resolve_asset_graph()
    nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
    found = {node.key.to_user_string() for node in nodes if node.freshness_policy == FRESHNESS}
    assert found == {*TABLES, REPORT}


def test_healthy_publications_are_never_so_far_apart_that_a_table_is_late() -> None:
    """Over all weeks and holidays since 2014, with two days to fetch and build."""
    weeks = [date(2014, 5, 16) + timedelta(weeks=n) for n in range(650)]
    for tier in Tier:
        days = [publication_day(week, tier) for week in weeks]
        gaps = [later - sooner for sooner, later in pairwise(days)]
        assert max(gaps) <= timedelta(days=8)
    assert FRESHNESS.warn_window is not None
    warn = FRESHNESS.warn_window.to_timedelta()
    assert timedelta(days=8) < warn < FRESHNESS.fail_window.to_timedelta() < timedelta(days=16)


@pytest.mark.long
def test_a_week_of_35_days_is_fresh_where_it_was_just_built_and_a_stopped_feed_is_not(
    project: Project, code_location: dg.Definitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.deliver(NEWEST, *Tier)
    with open_instance(project.root) as instance:
        runner = Runner(code_location, instance)
        build(runner, TODAY - timedelta(days=16), [*TABLES])
        build(runner, TODAY - timedelta(days=10), ["otc_venue_volume"])
        build(runner, TODAY - timedelta(days=8), ["otc_raw", "otc_rejects"])
    monkeypatch.setenv("FRESHNESS_DAEMON_INTERVAL_SECONDS", "2")
    expected = dict.fromkeys(TABLES, "DEGRADED")
    expected |= {"otc_raw": "HEALTHY", "otc_rejects": "HEALTHY", "otc_venue_volume": "WARNING"}
    port = free_port()
    with started(project, "dev", "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)):
        server = Server(port)
        wait_until(server.answers, START_SECONDS, project, "the webserver")
        wait_until(lambda: statuses(server) == expected, 60, project, "an evaluation")
        # The feed comes back, with a week as old as ever.
        with open_instance(project.root) as instance:
            build(Runner(code_location, instance), datetime.now(UTC), [*TABLES])
        healthy = dict.fromkeys(TABLES, "HEALTHY")
        wait_until(lambda: statuses(server) == healthy, 60, project, "another evaluation")
