"""What people do in Dagster's pages: launch weeks, read what came of them, watch the sensor.

All is done by clicks against a real `dagster dev`; the lake is read to see whether the pages are
right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import duckdb
import pytest
from playwright.sync_api import expect

from spine_assets.core.weeks import Tier
from spine_assets.report import NAME as REPORT
from spine_assets_tests.browser.pages import DagsterUI
from spine_assets_tests.support.projects import TABLES, Project

pytestmark = pytest.mark.long

# A run also builds the reports of the twelve weeks after its own: tests keep further apart.
ONE = date(2025, 11, 14)
FIRST, BAD, LAST = (date(2025, 6, 6) + timedelta(weeks=after) for after in range(3))
CHECKED, LATE = date(2025, 1, 17), date(2025, 1, 24)
DROPPED = date(2024, 9, 20)


def venues(project: Project, week: date) -> list[tuple[str, Decimal, float]]:
    """Venue, shares and percent of a week, as DuckDB finds them in the lake."""
    files = project.lake / "otc_venue_share" / f"week_ending={week}" / "*.parquet"
    sql = f"""
        SELECT mpid, total_volume, round(market_share_pct, 3)
        FROM read_parquet('{files}') ORDER BY rank
    """
    with duckdb.connect() as lake:
        return lake.execute(sql).fetchall()


def test_a_week_is_materialized_from_the_dialog(ui: DagsterUI) -> None:
    ui.project.deliver(ONE, *Tier)
    ui.materialize(str(ONE))
    expect(ui.status("Success")).to_be_visible()
    expect(ui.page.get_by_text(f"partition: {ONE}")).to_be_visible()
    # 3 tiers of 100 + 50 and 300 shares, in 3 * 3 lines.
    assert venues(ui.project, ONE) == [
        ("OTCN", Decimal(900), 66.667),
        ("OTCX", Decimal(450), 33.333),
    ]

    ui.open_asset("otc_raw", "Partitions")
    ui.choose_partition(ONE)
    expect(ui.status("Materialized")).to_be_visible()
    expect(ui.value("dagster/partition_row_count")).to_contain_text("9")
    expect(ui.value("shares")).to_contain_text("1350")

    ui.open_asset("otc_venue_share", "Partitions")
    ui.choose_partition(ONE)
    expect(ui.status("Materialized")).to_be_visible()
    expect(ui.value("dagster/partition_row_count")).to_contain_text("2")
    expect(ui.value("top_mpid")).to_contain_text("OTCN")
    expect(ui.value("top_share_pct")).to_contain_text("66.667")


def test_a_bad_week_of_a_range_fails_alone_and_says_why(ui: DagsterUI) -> None:
    ui.project.deliver(FIRST, *Tier)
    ui.project.deliver_in_two_parts(BAD)
    ui.project.deliver(LAST, *Tier)
    ui.materialize(f"[{FIRST}...{LAST}]")
    expect(ui.page.get_by_text(f"{FIRST}...{LAST}")).to_be_visible()
    expect(ui.status("Failed")).to_be_visible()
    for table in (*TABLES, REPORT):  # targeted, in progress, succeeded, failed
        expect(ui.asset_row(table)).to_contain_text("100% completed3021")

    ui.page.get_by_role("tab", name="Runs", exact=True).click()
    run = ui.run_row(f"{len(TABLES) + 1} assets")
    expect(run).to_have_count(1)  # all weeks are one run
    expect(run).to_contain_text("Failure")
    run.get_by_text("View", exact=True).click()
    expect(ui.status("Failure")).to_be_visible()
    events = ui.page.get_by_text("1 of 3 weeks failed:")
    expect(events.last).to_be_visible()
    expect(events.last).to_contain_text(f"{BAD}: no usable file for this week")
    expect(events.last).to_contain_text("they look like one delivery in two parts; join them")

    ui.open_asset("otc_venue_share", "Partitions")
    ui.choose_partition(BAD)
    expect(ui.page.get_by_text("failed, and did not materialize this asset")).to_be_visible()
    expect(ui.counted("Failed")).to_have_text("Failed (1)")
    for week in (FIRST, LAST):
        ui.choose_other_partition(week)
        expect(ui.status("Materialized")).to_be_visible()
        assert sum(shares for _, shares, _ in venues(ui.project, week)) == 1_350
    assert not ui.project.files("otc_venue_share", BAD)


def test_a_check_shows_what_it_found_in_each_week(ui: DagsterUI) -> None:
    ui.project.deliver(CHECKED, *Tier)
    ui.project.deliver(LATE, Tier.OTC)
    for week in (CHECKED, LATE):
        ui.materialize(str(week))
        expect(ui.status("Success")).to_be_visible()

    ui.open_asset("otc_raw", "Checks")
    ui.open_check_history("delivery")
    expect(ui.row("Passed", str(CHECKED))).to_contain_text("all due tiers are in")
    late = ui.row("Failed", str(LATE))  # a warning: the week is loaded all the same
    expect(late).to_contain_text("tier_overdue NMS_TIER_1")
    late.get_by_role("button").last.click()
    expect(ui.value("findings")).to_contain_text("2")
    expect(ui.value("tiers_in")).to_contain_text("OTC")
    expect(ui.row("NMS_TIER_2", "was due on").last).to_be_visible()

    ui.open_asset("otc_venue_share", "Checks")
    ui.page.get_by_text("reconciles", exact=True).first.click()
    expect(ui.page.get_by_text("This is a blocking asset check")).to_be_visible()
    ui.open_check_history("reconciles")
    for week in (CHECKED, LATE):
        expect(ui.row("Passed", str(week))).to_contain_text("2 totals by venue agree")
    ui.open_check_partitions()
    expect(ui.counted("Passed")).to_have_text(re.compile(r"^Passed \(([2-9]|\d\d)\)$"))


@pytest.fixture
def watching(ui: DagsterUI) -> Iterator[DagsterUI]:
    """The landing sensor, turned on; it is off again in the end."""
    ui.switch_landing_sensor(on=True)
    yield ui
    ui.switch_landing_sensor(on=False)


def test_the_landing_sensor_builds_what_is_dropped(watching: DagsterUI) -> None:
    ui = watching
    ui.project.deliver(DROPPED, *Tier)
    ui.open_landing_sensor()
    # A week that another test left failed may be requested as well.
    expect(ui.page.get_by_text(re.compile(r"^[12] runs? requested$")).first).to_be_visible()
    ui.page.get_by_role("button", name="Runs", exact=True).click()
    run = ui.run_row(f"partition: {DROPPED}")
    expect(run).to_contain_text("Success")
    run.get_by_text("View", exact=True).click()
    expect(ui.status("Success")).to_be_visible()
    expect(ui.page.get_by_text("Launched by otc_landing")).to_be_visible()
    assert sum(shares for _, shares, _ in venues(ui.project, DROPPED)) == 1_350
