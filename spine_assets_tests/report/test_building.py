"""When a page is made, made again, or left alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.captures import pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.state.freshness import Freshness
from spine_assets.pipelines.weeks_to_build import is_stale, stale_weeks
from spine_assets.report import NAME, stored
from spine_assets.report.building import Reports
from spine_assets_tests.conftest import NOW, WEEK, built_tables, line
from spine_assets_tests.report.conftest import BEFORE, Press

LATER = NOW + timedelta(days=1)
UNCHANGED = line("BBBB", "OTCN", "100", "2", name="OTCN IDQS", updated="2026-01-15")
"""The other row of a delivered file: a file without it would wait."""


def test_page_that_would_tell_the_same_is_left_alone(press: Press) -> None:
    press.deliver()
    first = press.made()
    written = stored.page_path(press.house.lake, WEEK).stat().st_mtime_ns
    again = press.made(now=LATER)
    assert (first.unchanged, again.unchanged) == (False, True)
    assert again.data_version == first.data_version
    assert again.facts["hhi"] == first.facts["hhi"]
    assert stored.page_path(press.house.lake, WEEK).stat().st_mtime_ns == written
    assert not press.made(force=True).unchanged


def test_correction_makes_it_stale_and_the_next_run_makes_it_anew(press: Press) -> None:
    press.deliver()
    press.made()
    lake = press.house.lake
    assert stored.freshness(lake, WEEK) is Freshness.FRESH
    press.deliver(WEEK, "more.csv", line("AAAA", shares="800", updated="2026-01-16"), UNCHANGED)
    press.house.built(now=LATER)
    assert stored.freshness(lake, WEEK) is Freshness.STALE
    assert is_stale(lake, [NAME], WEEK)
    assert press.made(now=LATER).facts["shares"] == 900
    assert stored.freshness(lake, WEEK) is Freshness.FRESH
    assert stale_weeks(lake, [NAME]) == []


def test_pin_makes_it_anew(press: Press) -> None:
    press.deliver()
    press.made()
    press.deliver(WEEK, "more.csv", line("AAAA", shares="800", updated="2026-01-16"), UNCHANGED)
    assert press.made(now=LATER).facts["shares"] == 900
    first = captures.stored(press.house.lake, WEEK)[0]
    pins.add(press.house.lake, WEEK, (Tier.OTC, VenueClass.ATS), first.capture_id, LATER)
    assert press.made(now=LATER).facts["shares"] == 400


def test_tier_that_becomes_due_makes_it_anew_though_no_file_came(press: Press) -> None:
    press.deliver(WEEK, "t1.csv", line(tier="NMS Tier 1", updated="2025-12-08"))
    day = NOW.replace(year=2025, month=12, day=10)
    press.made(now=day)
    assert press.made(now=day + timedelta(days=2)).unchanged
    late = press.made(now=day + timedelta(days=20))
    assert not late.unchanged
    assert "OTC overdue 2025-12-22" in press.text()


def test_week_before_that_changes_makes_later_pages_anew(press: Press) -> None:
    press.deliver(BEFORE)
    press.deliver()
    press.made(BEFORE)
    press.made()
    press.deliver(BEFORE, "more.csv", line("AAAA", shares="100", updated="2026-01-16"), UNCHANGED)
    result = press.house.built(week=BEFORE, now=LATER)
    place = press.house.workplace(LATER)
    reports = Reports(place)
    reports.add(result, place)
    (told,) = reports.rebuild_stale()
    assert (told.week, told.error) == (WEEK, None)
    (event,) = told.events
    assert event.facts["change_pct"] == 100.0
    assert "+100.0% since 2025-11-14" in press.text()
    assert reports.rebuild_stale() == []


def test_missing_chart_or_damaged_page_is_made_again(press: Press) -> None:
    press.deliver()
    press.made()
    stored.chart_path(press.house.lake, WEEK).unlink()
    assert not press.made().unchanged
    stored.page_path(press.house.lake, WEEK).write_text("<html>half a pa")
    assert stored.freshness(press.house.lake, WEEK) is Freshness.MISSING
    assert not press.made().unchanged


def test_report_alone_reads_what_stands_and_finds_the_same(press: Press) -> None:
    press.deliver()
    made = press.made()
    stored.page_path(press.house.lake, WEEK).unlink()
    result = press.alone()
    assert result.error is None
    (event,) = result.events
    assert event.data_version == made.data_version  # type: ignore[union-attr]


@pytest.mark.parametrize("table", ["otc_venue_share", "otc_restatements"])
def test_report_of_a_week_whose_tables_do_not_stand_names_the_selection(
    press: Press, table: str
) -> None:
    press.deliver()
    press.house.built()
    press.house.lake.part(table, WEEK).unlink()
    result = press.alone()
    assert f"needs {table}, missing or older than the captures" in str(result.error)
    assert "--select 'otc_raw,otc_rejects," in str(result.error)
    assert not stored.page_path(press.house.lake, WEEK).exists()


def test_earlier_page_stays_where_a_week_fails(press: Press) -> None:
    press.deliver()
    press.made()
    before = press.page()
    result = press.house.build(week=BEFORE)
    reports = Reports(press.house.workplace())
    reports.add(result, press.house.workplace())
    assert built_tables(result) == {}
    assert press.page() == before


def test_damaged_week_before_does_not_keep_a_page_from_being_made(press: Press) -> None:
    press.deliver(BEFORE)
    press.made(BEFORE)
    for table in ("otc_venue_share", "otc_venue_volume"):
        press.house.lake.part(table, BEFORE).write_bytes(b"not parquet")
    press.deliver()
    assert press.made().facts["against"] is None
