"""Whole files: those of an odd shape that load, and those of which nothing may load.

All of them lie in one landing folder. One run builds the weeks of the sound ones, one
builds a sound week alone, and one asks for a week that only unusable files could be of.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest

from spine_assets.core.text import MOST_NAMED
from spine_assets.core.weeks import Tier, publication_day
from spine_assets.orchestration import landing_events
from spine_assets.otc.delivery import archives
from spine_assets_tests.support.projects import Outcome
from spine_assets_tests.support.sites import Site, Week, opened
from spine_assets_tests.support.whole_files import (
    EMPTY_WEEK,
    GOOD,
    KINDS,
    LARGEST_BYTES,
    LAST_WEEK,
    PASSED_OVER,
    REFUSED,
    REVISIONS_WEEK,
    TOLD,
    WEEKS,
    good,
    revised,
    sound,
)


class Batch(NamedTuple):
    """The site after its three runs."""

    site: Site
    sound: Outcome
    alone: Outcome
    empty: Outcome

    def week(self, kind: str) -> Week:
        return self.site.week(WEEKS[kind], self.sound)


@pytest.fixture(scope="module")
def batch(
    tmp_path_factory: pytest.TempPathFactory, code_location: dg.Definitions
) -> Iterator[Batch]:
    """Everything delivered, and the three runs."""
    root = tmp_path_factory.mktemp("files")
    with opened(root, code_location, forgets=True) as site, pytest.MonkeyPatch.context() as patch:
        patch.setattr(archives, "MAX_CONTENT_BYTES", LARGEST_BYTES)
        for kind, week in WEEKS.items():
            site.drop(f"week_ending={week}/{sound(kind).name}", sound(kind).delivered)
        site.drop("revised.csv", revised())
        for name, (delivered, _) in REFUSED.items():
            site.drop(name, delivered)
        put_what_is_no_delivery(site, tmp_path_factory.mktemp("outside"))
        ran = site.runner.range(REVISIONS_WEEK, LAST_WEEK)
        alone = site.runner.week(LAST_WEEK)
        yield Batch(site, ran, alone, site.runner.week(EMPTY_WEEK))


def put_what_is_no_delivery(site: Site, outside: Path) -> None:
    """Hidden and temporary names, links, a pipe and a folder named like a file."""
    for name in PASSED_OVER[:8]:
        site.drop(name, good(EMPTY_WEEK))
    (outside / "a.csv").write_bytes(good(EMPTY_WEEK))
    landing = site.project.landing
    (landing / "link.csv").symlink_to(outside / "a.csv")
    (landing / "loop.csv").symlink_to("loop.csv")
    (landing / "linked-folder").symlink_to(outside)
    (landing / "folder.csv").mkdir()
    os.mkfifo(landing / "pipe.csv")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_an_odd_but_sound_shape_loads(batch: Batch, kind: str) -> None:
    week = batch.week(kind)
    assert week.is_built
    tiers = [tier.value for tier in Tier] if kind == "zip of many" else ["OTC"]
    figures = week.rows("tier, symbol, mpid, share_volume, trade_count", "otc_venue_volume")
    assert figures == [
        (tier, *key, *numbers) for tier in sorted(tiers) for key, numbers in GOOD.items()
    ]
    assert week.rejects == []
    week.assert_nothing_is_lost(*sound(kind).members)


def test_a_file_is_read_by_the_names_of_its_columns(batch: Batch) -> None:
    columns = "symbol, issue_name, venue_name, mpid, last_update_date"
    for kind in ("columns in another order", "spaces around every field", "CR LF"):
        week = batch.week(kind)
        published = publication_day(week.week, Tier.OTC)
        texts = ("Alpha Corp", "OTCX OTC LINK ECN ATS", "OTCX", published)
        assert week.rows(columns, "otc_raw") == [("AAAA", *texts), ("BBBB", *texts)]


def test_columns_of_the_api_are_kept(batch: Batch) -> None:
    week = batch.week("columns of FINRA's API")
    published = publication_day(week.week, Tier.OTC)
    kept = ("7560", "ATS_W_SMBL_FIRM", Decimal("1234.56"), published, week.week)
    columns = "firm_crd, summary_type, notional, initial_published_date, last_reported_date"
    assert week.rows(columns, "otc_raw") == [kept, kept]


def test_a_column_that_is_not_known_yet_is_kept(batch: Batch) -> None:
    week = batch.week("a column that FINRA adds")
    assert week.rows("symbol, extra", "otc_raw") == [("AAAA", '{"colour":"red"}'), ("BBBB", None)]


def test_each_member_of_an_archive_is_a_file_of_its_own(batch: Batch) -> None:
    week = batch.week("zip of many")
    files = week.rows("DISTINCT source_file", "otc_raw")
    assert files == [(f"week_ending={week.week}/a.zip!{tier}.csv",) for tier in sorted(Tier)]


def test_a_few_later_updates_are_revisions_of_the_same_week(batch: Batch) -> None:
    week = batch.site.week(REVISIONS_WEEK, batch.sound)
    assert week.is_built
    week.assert_totals_are({**GOOD, ("CCCC", "OTCX"): (Decimal(100), 2)})
    week.assert_nothing_is_lost(revised())


def test_unusable_files_disturb_no_week_that_has_its_own(batch: Batch) -> None:
    assert batch.sound.success
    assert {week for _, week in batch.sound.materialized()} == {
        str(week) for week in (*WEEKS.values(), REVISIONS_WEEK)
    }


@pytest.mark.parametrize("name", TOLD)
def test_a_refusal_says_what_is_wrong_and_what_stands_there(batch: Batch, name: str) -> None:
    reason = batch.site.refusals()[name]
    for told in TOLD[name]:
        assert told in reason


@pytest.mark.parametrize("name", TOLD)
def test_nothing_of_a_refused_file_is_loaded(batch: Batch, name: str) -> None:
    for table in ("otc_raw", "otc_rejects"):
        sql = f"SELECT count(*) FROM {table} WHERE source_file = $name"
        assert batch.site.rows(sql, name=name) == [(0,)]


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_file_stays_where_it_is(batch: Batch, name: str) -> None:
    assert (batch.site.project.landing / name).read_bytes() == REFUSED[name][0]


def test_only_these_files_are_refused(batch: Batch) -> None:
    assert set(batch.site.refusals()) == set(TOLD)


def test_a_week_without_a_usable_file_fails_and_lists_those_that_may_be_its(batch: Batch) -> None:
    assert batch.empty.failed_weeks == [str(EMPTY_WEEK)]
    assert batch.empty.materialized() == []
    assert f"{EMPTY_WEEK}: no usable file" in batch.empty.failure
    refused = batch.site.scan().refused()
    listed = [item for item in refused if item.text in batch.empty.failure]
    of_none = [item for item in refused if item.week_ending is None]
    assert {item.week_ending for item in listed} == {None, EMPTY_WEEK}
    assert [item for item in listed if item.week_ending is None] == of_none[:MOST_NAMED]
    assert f"\n  and {len(of_none) - MOST_NAMED} more" in batch.empty.failure
    assert batch.site.rows("SELECT count(*) FROM otc_raw WHERE week_ending = $w", w=EMPTY_WEEK) == [
        (0,)
    ]


def test_a_sound_week_alone_is_green_and_names_no_file_of_another(batch: Batch) -> None:
    week = batch.site.week(LAST_WEEK, batch.alone)
    assert batch.alone.success
    claimed = {item.name for item in batch.site.scan().refused_of_week(LAST_WEEK)}
    assert {*week.findings()} & {*TOLD} <= claimed


def test_the_check_of_the_folder_names_every_unusable_file(batch: Batch) -> None:
    found = landing_events.usable(batch.site.scan())
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.metadata["unusable"].value == len(batch.site.refusals())


def test_status_lists_every_refused_file(batch: Batch) -> None:
    told = batch.site.spine("status", "--json")
    assert told.exit_code == 0, told.output
    listed = {item["file"]: item["reason"] for item in json.loads(told.stdout)["unusable"]}
    assert listed == batch.site.refusals()
    shown = batch.site.spine("status", "--all")
    assert shown.exit_code == 0, shown.output
    for name in ("empty.csv", "two-tiers.csv", "bomb.zip", "link.csv"):
        assert name in shown.stdout
    assert f"and {len(listed) - MOST_NAMED} more unusable" in batch.site.spine("status").stdout


@pytest.mark.parametrize("name", PASSED_OVER)
def test_what_is_no_delivery_is_passed_over(batch: Batch, name: str) -> None:
    seen = batch.site.scan()
    assert name not in {item.name for item in seen.deliveries}
    assert name not in {item.name for item in seen.unusable}
    assert (batch.site.project.landing / name).exists()


def test_members_that_point_outside_are_written_nowhere(batch: Batch) -> None:
    root = batch.site.project.root
    assert [*root.rglob("evil.csv"), *root.parent.glob("evil.csv")] == []
    assert not (batch.site.project.root / "data" / "a.csv").exists()
