"""Eight weeks of a simulated FINRA, followed by a real daemon.

Tiers are published at their lags, once a day later for a holiday; FINRA is away, slows its
callers down and restates. In the end the tables hold what FINRA holds, and nothing was
fetched twice without need.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from spine_assets.core.tags import PARTITION
from spine_assets.core.weeks import Tier, VenueClass, monday_of
from spine_assets.defs.finra.schedules import finra_restatements
from spine_assets.dev.finra_sim import Change, Fault, Restatement, SimOptions, SimServer, serving
from spine_assets.dev.finra_sim.faults import FaultKind
from spine_assets.finra.api import SUMMARY_TYPES
from spine_assets_tests.finra.hurried import LOOK_SECONDS, SimulatedFinra
from spine_assets_tests.finra.tables import differences
from spine_assets_tests.support.projects import SOURCE, Project
from spine_assets_tests.support.servers import started, wait_until

pytestmark = pytest.mark.long
HURRIED = "spine_assets_tests.finra.hurried"
MONDAYS = [date(2025, 12, 15) + timedelta(weeks=n) for n in range(8)]
HOLIDAY = date(2026, 1, 19)  # Martin Luther King Day
# A week of a tier takes a fetch and a build, processes of some six seconds each; the first look
# finds four weeks. Some times that on a busy machine.
CATCH_UP_SECONDS = 600
RESTATED = (date(2026, 1, 2), Tier.NMS_TIER_1, VenueClass.ATS)  # published on 2026-01-20


def published(server: SimServer) -> list[date]:
    """Weeks of which FINRA holds something today."""
    names = ("weeklySummary", "weeklySummaryHistoric")
    return sorted(
        {
            week
            for name in names
            for week, tier in server.sim.partitions(name)
            if tier not in {"NMS", "NA"}
        }
    )


def until_equal(project: Project, server: SimServer, what: str) -> None:
    """Wait until the tables hold what FINRA holds."""
    wait_until(
        lambda: (
            (project.lake / "otc_raw").exists()
            and differences(project.lake, server.sim, published(server)) == []
        ),
        CATCH_UP_SECONDS,
        project,
        what,
    )


def restate(server: SimServer) -> None:
    """One row changes, another goes, a third comes: on FINRA's day."""
    week, tier, venue_class = RESTATED
    rows = server.sim.rows(week, tier, SUMMARY_TYPES[venue_class])
    one, other = rows.row(0, named=True), rows.row(1, named=True)
    changes = (
        Change(one["issueSymbolIdentifier"], one["MPID"], 1_234_567, 890),
        Change(other["issueSymbolIdentifier"], other["MPID"]),
        Change("QZNEW", one["MPID"], 500, 5),
    )
    server.sim.archive.restate(Restatement(week, tier, venue_class, server.sim.today, changes))


def recheck(project: Project) -> list[date]:
    """Do what the schedule asks for on a Wednesday, as CI would."""
    with dg.build_schedule_context(
        scheduled_execution_time=datetime.now(UTC), resources={"finra": SimulatedFinra()}
    ) as context:
        told = finra_restatements(context)
    assert isinstance(told, list)
    weeks = [str(request.partition_key) for request in told]
    for week in weeks:
        command = ("dagster", "job", "execute", "-m", HURRIED, "-j", "finra_fetch")
        done = project.run(*command, "--tags", json.dumps({PARTITION: week}))
        assert done.returncode == 0, done.stderr
    return [date.fromisoformat(week) for week in weeks]


def whole_fetches(asked: Iterable[dict[str, Any]]) -> Counter[tuple[str, str, str | None]]:
    """How often the first page of an answer came whole, by Monday, tier and summary type."""
    found: Counter[tuple[str, str, str | None]] = Counter()
    for item in asked:
        for page, times in item["pages"].items():
            offset, rows = map(int, page.split("+"))
            if offset == 0 and rows > 1:  # one row is a question for the number of rows
                found[item["week"], item["tier"], item["summary_type"]] += times
    return found


def test_the_tables_follow_finra(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    options = SimOptions(
        today=MONDAYS[0] - timedelta(days=1),
        rows=80,
        weeks=3,
        historic_weeks=1,
        restated_share=0.0,
    )
    (project.root / "workspace.yaml").write_text(
        f"load_from:\n  - python_module: {{module_name: {HURRIED}, location_name: spine_assets}}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    monkeypatch.setenv("DAGSTER_HOME", str(project.root))
    with serving(options) as server:
        monkeypatch.setenv("SPINE_FINRA_URL", server.url)
        on = project.run("dagster", "sensor", "start", "finra_offered", "-w", "workspace.yaml")
        assert on.returncode == 0, on.stderr
        with started(project, "daemon", "-m", "dagster._daemon", "run", "-w", "workspace.yaml"):
            until_equal(project, server, "the first weeks")
            followed = set(published(server))
            for number, monday in enumerate(MONDAYS):
                if number == 2:
                    server.stop()  # FINRA is away while it publishes
                if number == 3:
                    server.sim.faults.add(
                        Fault(FaultKind.TOO_MANY_BARE, rate=0.2),
                        Fault(FaultKind.GATEWAY_TIMEOUT, rate=0.2),
                        Fault(FaultKind.SHORT_PAGE, rate=0.2),
                    )
                server.sim.today = monday
                if monday == HOLIDAY:
                    held = sorted(project.landing.glob("finra/*/*"))
                    time.sleep(3 * LOOK_SECONDS)
                    assert sorted(project.landing.glob("finra/*/*")) == held
                    server.sim.today = monday + timedelta(days=1)
                if number == 2:
                    time.sleep(3 * LOOK_SECONDS)
                    server.start()
                until_equal(project, server, f"what was published on {server.sim.today}")
                followed |= set(published(server))
                server.sim.faults.clear()
                if number == 6:
                    server.sim.today = monday + timedelta(days=2)
                    restate(server)
                    assert differences(project.lake, server.sim, [RESTATED[0]]) != []
                    assert recheck(project)
                    until_equal(project, server, "the restatement")
        told = server.sim.traffic.summary()
    assert len(followed) >= len(MONDAYS)
    _require_no_more_than_needed(told)


def _require_no_more_than_needed(told: dict[str, Any]) -> None:
    """Each answer came once, and at most once more on a later day.

    What came on the day of its change may lack rows of that day, and a week that is asked about
    tells what else changed. The restatement makes it up to three more: the sensor and the schedule
    both find it on its day, and it is fetched again on a later one.
    """
    assert told["most_in_one_second"] <= 20
    fetched = whole_fetches(told["asked"])
    week, tier, venue_class = RESTATED
    (restated,) = (
        key
        for key in fetched
        if key[:2] == (str(monday_of(week)), tier.api_id)
        and SUMMARY_TYPES[venue_class] in str(key[2]).split(",")
    )
    most = {key: 2 + 3 * (key == restated) for key in fetched}
    assert {key: times for key, times in fetched.items() if times > most[key]} == {}
    assert fetched[restated] >= 2
