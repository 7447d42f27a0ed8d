"""`spine sample remove`, and what commands say of synthetic data before and after it."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from spine_assets.cli import main
from spine_assets.core.settings import load_settings
from spine_assets.core.weeks import Tier, publication_day
from spine_assets.maintenance.doctor import Health
from spine_assets.maintenance.doctor.lake import provenance
from spine_assets.orchestration.history.storage import partitions_by_state
from spine_assets.orchestration.partitions import WEEKS as PARTITIONS
from spine_assets.otc.captures.provenance import NOTICE
from spine_assets.otc.delivery.provenance import MARK
from spine_assets_tests.conftest import delivered, line
from spine_assets_tests.support import sites
from spine_assets_tests.support.databases import rows_of
from spine_assets_tests.support.projects import TABLES
from spine_assets_tests.support.sites import Site

WEEKS = [date(2025, 10, 31) + timedelta(weeks=n) for n in range(2)]
FIRST, LAST = WEEKS
NEXT = LAST + timedelta(weeks=1)
REAL = "deliveries/otc.csv"
FILES = "finra_otc_files"


def content(week: date, *, real: bool) -> bytes:
    day = str(publication_day(week, Tier.OTC))
    issues = [f"{name} Corp{'' if real else MARK}" for name in ("Alpha", "Beta")]
    rows = [line(name[0] * 4, issue=name, updated=day) for name in issues]
    return delivered(*rows)


def drop(site: Site, week: date, name: str, *, real: bool = False) -> Path:
    return site.drop(f"week_ending={week}/{name}", content(week, real=real))


@pytest.fixture
def site(tmp_path: Path, code_location: dg.Definitions) -> Iterator[Site]:
    """Two synthetic weeks, built by one run with their reports."""
    with sites.opened(tmp_path, code_location) as made:
        for week in WEEKS:
            drop(made, week, "synthetic.csv")
        done = made.spine("backfill")
        assert done.exit_code == 0, done.output
        yield made


def told(site: Site, *words: str) -> Any:
    done = site.spine(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def shown(site: Site, name: str) -> dict[str, set[str]]:
    """An asset's partitions by state, computed anew as the UI does."""
    instance = site.runner.instance
    instance.wipe_asset_cached_status([dg.AssetKey(name)])
    found: dict[str, set[str]] = partitions_by_state(instance, name, PARTITIONS)
    return found


def test_commands_that_show_figures_say_on_standard_error_that_they_are_synthetic(
    site: Site,
) -> None:
    for words in (
        ("status",),
        ("week",),
        ("query", "SELECT 1 AS one"),
        ("export", "--table", "otc_venue_share", "--week", str(LAST)),
        ("shell", "-c", "pass"),
    ):
        done = site.spine(*words)
        assert done.exit_code == 0, done.output
        assert NOTICE in done.stderr, words
        assert NOTICE not in done.stdout, words


def test_programs_are_told_so_in_a_field(site: Site, tmp_path: Path) -> None:
    assert told(site, "status")["synthetic"] is True
    assert told(site, "week")["synthetic"] is True
    assert told(site, "report")["is_synthetic"] is True
    file = str(tmp_path / "answer.parquet")
    assert told(site, "query", "FROM otc_venue_share", "--parquet", file)["synthetic"] is True
    words = ("export", "--table", "otc_venue_share", "--week", str(LAST), "--out", file)
    assert told(site, *words)["synthetic"] is True
    for table in TABLES:
        key = dg.AssetRecordsFilter(dg.AssetKey(table), asset_partitions=[str(LAST)])
        (found,) = site.runner.instance.fetch_materializations(key, limit=1).records
        assert found.asset_materialization is not None
        assert found.asset_materialization.metadata["synthetic"].value is True


@pytest.mark.parametrize("week", [LAST, NEXT])
def test_a_file_of_finra_is_refused_beside_the_sample_and_status_says_why(
    site: Site, week: date
) -> None:
    name = f"week_ending={week}/otc.csv"
    site.drop(name, content(week, real=True))
    before = told(site, "status", "--all")
    (why,) = [row["reason"] for row in before["unusable"] if row["file"] == name]
    assert "spine sample remove" in why
    assert site.spine("status", "--exit-code").exit_code == 1
    found = site.week(week, site.runner.week(week))
    assert not found.outcome.success
    assert found.outcome.materialized() == []
    assert not found.check("otc_raw", "not_mixed").passed
    assert found.check("otc_raw", "not_mixed").blocking
    assert {row["file"].partition(" ")[0] for row in found.sample("otc_raw", "not_mixed")} > {name}
    (row,) = [
        row for row in told(site, "status", "--all")["weeks"] if row["week_ending"] == str(week)
    ]
    (check,) = [item for item in row["checks"] if item["check"] == "not_mixed"]
    assert not check["passed"]
    assert "spine sample remove" in check["summary"]
    checked = site.spine("check-file", name)
    assert checked.exit_code == 1
    assert "spine sample remove" in " ".join(checked.output.split())


def test_removing_asks_first(site: Site) -> None:
    refused = site.spine("sample", "remove", "--json")
    assert refused.exit_code == 2
    asked = CliRunner().invoke(main, ["sample", "remove"], input="n\n")
    assert asked.exit_code == 1
    assert "Remove 2 files and 2 weeks of synthetic data" in asked.output
    assert told(site, "status")["synthetic"] is True
    assert len(list(site.project.landing.rglob("synthetic.csv"))) == 2


def test_after_removing_the_sample_finras_file_is_built(site: Site) -> None:
    real = site.drop(f"week_ending={LAST}/otc.csv", content(LAST, real=True))
    assert not site.runner.week(LAST).success
    found = told(site, "sample", "remove", "--yes")
    assert found["weeks"] == [str(week) for week in WEEKS]
    assert [Path(file).name for file in found["files"]] == ["synthetic.csv"] * 2
    assert found["left"] == []
    assert [path for path in site.project.landing.rglob("*") if path.is_file()] == [real]
    assert not (site.project.landing / f"week_ending={FIRST}").exists()
    left = site.project.lake.glob("*/week_ending=2*")
    assert [path for folder in left for path in folder.rglob("*")] == []
    for name in (*TABLES, "otc_weekly_report", FILES):
        assert not any(weeks & {str(FIRST)} for weeks in shown(site, name).values()), name
    database = load_settings().warehouse_path
    assert rows_of(database, "SELECT count(*) FROM otc_venue_volume") == [(0,)]
    assert told(site, "status")["synthetic"] is False
    done = site.spine("backfill", "--missing")
    assert done.exit_code == 0, done.output
    assert shown(site, "otc_venue_share")["materialized"] == {str(LAST)}
    assert rows_of(database, "SELECT DISTINCT issue_name FROM otc_raw ORDER BY ALL") == [
        ("Alpha Corp",),
        ("Beta Corp",),
    ]
    assert NOTICE not in site.spine("week").output
    assert told(site, "sample", "remove", "--yes")["weeks"] == []
    assert "no synthetic data" in site.spine("sample", "remove").output


def test_weeks_that_a_person_mixed_by_hand_are_taken_apart(site: Site) -> None:
    """What no build lets in can still be copied into the lake."""
    for week in WEEKS:
        shutil.rmtree(site.project.landing / f"week_ending={week}")
    assert provenance(load_settings()).outcome is Health.OK
    folders = [*site.project.lake.glob(f"*/week_ending={LAST}")]
    away = site.project.root / "away"
    for folder in folders:
        shutil.move(folder, away / folder.parent.name)
    for folder in site.project.lake.glob(f"*/week_ending={FIRST}"):
        shutil.move(folder, site.project.root / "first" / folder.parent.name)
    drop(site, LAST, "real.csv", real=True)
    assert site.runner.week(LAST).success
    for name in ("otc_raw", "otc_rejects", "otc_delivered"):
        for file in (away / name).glob("*") if (away / name).exists() else ():
            target = site.project.lake / name / f"week_ending={LAST}" / file.name
            if not target.exists():
                shutil.move(file, target)
    found = provenance(load_settings())
    assert found.outcome is Health.FAIL
    assert found.mend == "spine sample remove takes the synthetic data out"
    assert told(site, "sample", "remove", "--yes")["weeks"] == [str(LAST)]
    assert provenance(load_settings()).outcome is Health.OK
    done = site.spine("backfill", "--missing")
    assert done.exit_code == 0, done.output
    assert site.rows("SELECT DISTINCT source_file FROM otc_raw") == [
        (f"week_ending={LAST}/real.csv",)
    ]


def test_an_archive_with_a_file_of_finra_stays_and_is_named(site: Site) -> None:
    path = site.project.landing / "both.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"week_ending={FIRST}/a.csv", content(FIRST, real=False))
        archive.writestr(f"week_ending={NEXT}/b.csv", content(NEXT, real=True))
    done = site.spine("sample", "remove", "--yes")
    assert done.exit_code == 0, done.output
    assert f"{path} stays" in done.stderr
    assert path.exists()
    assert told(site, "status")["synthetic"] is False
