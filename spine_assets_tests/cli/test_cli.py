"""The `spine` command over real weeks that Dagster built."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import click
import dagster as dg
import polars as pl
import pytest
from click.testing import CliRunner, Result

from spine_assets.cli import main
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.definitions import defs
from spine_assets.dev.sample import SampleFile, committed_week
from spine_assets.lake.local import LocalLake
from spine_assets.orchestration.history import open_instance
from spine_assets_tests.project.test_docs import command_of
from spine_assets_tests.support import storages
from spine_assets_tests.support.databases import rows_of
from spine_assets_tests.support.projects import TABLES

PROJECT = Path(__file__).parents[2]
WEEK, NEXT = date(2025, 10, 10), date(2025, 10, 17)

Spine = Callable[..., Result]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project folder with two sample weeks landed, the first of them built by Dagster."""
    root = tmp_path_factory.mktemp("project")
    storages.lay_out(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("DAGSTER_HOME", raising=False)
        for week in (WEEK, NEXT):
            for item in committed_week(week):
                land(root, item)
        (root / "data/landing/broken.csv").write_bytes(b"no header of ours\n")
        job = loaded().resolve_implicit_global_asset_job_def()
        with open_instance() as instance:
            ran = job.execute_in_process(
                partition_key=str(WEEK),
                instance=instance,
                asset_selection=[dg.AssetKey(name) for name in TABLES],
            )
            assert ran.success
        yield root


def loaded() -> dg.Definitions:
    """The project's definitions."""
    return defs()


def land(root: Path, item: SampleFile) -> None:
    path = root / "data/landing" / item.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(item.content)


@pytest.fixture
def spine(project: Path, monkeypatch: pytest.MonkeyPatch) -> Spine:
    """Run the command in the project folder."""
    monkeypatch.chdir(project)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)

    def run(*words: str) -> Result:
        return CliRunner().invoke(main, list(words))

    return run


def volume(week: date, tier: Tier, venue_class: VenueClass = VenueClass.ATS) -> int:
    """Shares of a delivered sample file, read with Python's csv alone."""
    (item,) = [
        found
        for found in committed_week(week)
        if (found.tier, found.venue_class) == (tier, venue_class)
    ]
    rows = csv.DictReader(io.StringIO(item.content.decode()), delimiter="|", quoting=csv.QUOTE_NONE)
    return sum(int(row["totalWeeklyShareQuantity"]) for row in rows)


def test_status_shows_built_and_landed_weeks_and_unusable_files(spine: Spine) -> None:
    told = json.loads(spine("status", "--json").output)
    built, landed = told["weeks"]
    assert (built["week_ending"], landed["week_ending"]) == (str(WEEK), str(NEXT))
    assert {tier["state"] for tier in built["tiers"].values()} == {"loaded"}
    assert {tier["state"] for tier in landed["tiers"].values()} == {"landed"}
    assert built["tables"]["otc_venue_share"] == {"lake": "fresh", "dagster": "materialized"}
    assert landed["tables"]["otc_venue_share"] == {"lake": "missing", "dagster": None}
    assert len(built["checks"]) == 23
    assert [item["file"] for item in told["unusable"]] == ["broken.csv"]


def test_status_for_people_names_the_same(spine: Spine) -> None:
    output = spine("status").output
    assert str(WEEK) in output
    assert "all fresh" in output
    assert "broken.csv" in output
    assert "wrong header" in output


def test_week_prints_top_venues_symbols_and_checks(spine: Spine) -> None:
    told = json.loads(spine("week", "--json", "--top", "100").output)
    assert told["week_ending"] == str(WEEK)
    expected = sum(volume(WEEK, tier) for tier in Tier)
    assert sum(venue["total_volume"] for venue in told["venues"]) == expected
    assert len(told["checks"]) == 23
    for_people = spine("week", str(WEEK)).output
    assert told["venues"][0]["mpid"] in for_people
    assert "Checks: 16 passed" in for_people or "warn" in for_people


def test_a_day_that_is_no_friday_names_the_friday(spine: Spine) -> None:
    result = spine("week", "2025-12-25")
    assert result.exit_code == 2
    assert "2025-12-25 is a Thursday; weeks end on Fridays: 2025-12-26" in result.output


def test_a_week_that_is_not_built_is_an_error_that_names_the_newest(spine: Spine) -> None:
    result = spine("week", str(NEXT))
    assert result.exit_code == 1
    assert f"week {NEXT} is not built; the newest is {WEEK}" in result.output


@pytest.mark.parametrize("command", ["week", "report"])
def test_an_empty_project_is_told_how_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("SPINE_DATA_DIR", str(tmp_path))
    result = CliRunner().invoke(main, [command])
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: no week is built yet: spine demo loads the sample; or drop files into "
        f"{tmp_path / 'landing'} and run spine backfill --missing\n"
    )


def test_query_prints_a_table_csv_and_json_with_whole_shares(spine: Spine) -> None:
    sql = "SELECT tier, sum(share_volume) AS shares FROM otc_venue_volume GROUP BY tier ORDER BY 1"
    expected = {tier.value: volume(WEEK, tier) for tier in Tier}
    told = json.loads(spine("query", sql, "--json").stdout)
    assert {row["tier"]: row["shares"] for row in told} == expected
    rows = list(csv.DictReader(io.StringIO(spine("query", sql, "--csv").stdout)))
    assert {row["tier"]: int(row["shares"]) for row in rows} == expected
    header, *lines = spine("query", sql).stdout.splitlines()
    assert header.split() == ["tier", "shares"]
    assert {line.split()[0]: int(line.split()[1]) for line in lines} == expected


def test_query_errors_are_one_line_and_exit_1(spine: Spine) -> None:
    result = spine("query", "SELECT * FROM otc_nothing")
    assert result.exit_code == 1
    assert "otc_nothing" in result.output
    assert "Traceback" not in result.output


def test_query_only_reads(spine: Spine, project: Path) -> None:
    part = next((project / "data/lake/otc_venue_share").glob("week_ending=2*/data.parquet"))
    before = part.read_bytes()
    for sql in (f"COPY (SELECT 1) TO '{part}'", "SELECT 1; SELECT 2", "DROP VIEW otc_raw", ""):
        result = spine("query", sql)
        assert result.exit_code == 1
        assert "only reads" in result.output
    assert part.read_bytes() == before


def test_sample_writes_synthetic_weeks_that_the_scan_can_place(
    spine: Spine, tmp_path: Path
) -> None:
    words = ("sample", "write", "--out", str(tmp_path), "--weeks", "2", "--rows", "2000")
    assert "wrote 6 synthetic files of 2 weeks" in spine(*words, "--ending", str(WEEK)).output
    assert len(list(tmp_path.rglob("*.csv"))) == 6


def test_db_reset_asks_first_and_leaves_delivered_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storages.lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    run = CliRunner()
    assert run.invoke(main, ["db", "init"]).exit_code == 0
    kept = tmp_path / "data/landing/a.csv"
    kept.write_bytes(b"x")
    assert run.invoke(main, ["db", "reset"], input="n\n").exit_code == 1
    assert (tmp_path / "data/lake").exists()
    assert run.invoke(main, ["db", "reset", "--yes"]).exit_code == 0
    assert LocalLake(tmp_path / "data/lake").weeks("otc_raw") == []
    assert rows_of(tmp_path / "data/spine.duckdb", "FROM otc_raw") == []
    assert kept.read_bytes() == b"x"
    assert run.invoke(main, ["db", "init"]).stdout.startswith("up to date: ")


def test_commands_outside_a_project_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    result = CliRunner().invoke(main, ["status"])
    assert result.exit_code == 1
    assert "no dagster.yaml" in result.output


def test_commands_that_do_something_tell_programs_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storages.lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    root = CliRunner()

    def told(*words: str) -> Any:
        done = root.invoke(main, [*words, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    data = tmp_path / "data"
    places = {"landing": str(data / "landing"), "lake": str(data / "lake")}
    made = {"file": str(data / "spine.duckdb"), "made": True}
    assert told("db", "init") == made | places
    assert told("db", "init")["made"] is False
    sample = told("sample", "write", "--weeks", "1", "--rows", "200", "--ending", str(WEEK))
    assert sample == {"folder": str(data / "landing"), "files": 3, "weeks": [str(WEEK)]}
    assert len(list((data / "landing").rglob("*.csv"))) == 3
    refused = root.invoke(main, ["db", "reset", "--json"])
    assert (refused.exit_code, (data / "lake").exists()) == (2, True)
    assert told("db", "reset", "--yes") == {"deleted": [str(data / "lake")], "weeks": 0}


def test_export_and_captures_use_tell_programs_what_was_done(spine: Spine, tmp_path: Path) -> None:
    out = tmp_path / "share.parquet"
    words = ("export", "--table", "otc_venue_share", "--week", str(WEEK), "--json")
    told = json.loads(spine(*words, "--out", str(out)).stdout)
    assert told["rows"] == pl.read_parquet(out).height
    assert (told["format"], told["weeks"], told["as_of"]) == ("parquet", [str(WEEK)], None)
    assert spine(*words).exit_code == 2
    chosen = json.loads(spine("captures", "--json").stdout)[0]
    for release, done in (((), "pinned"), (("--release",), "released")):
        (item,) = json.loads(
            spine("captures", "use", chosen["capture_id"], "--json", *release).stdout
        )
        assert (item["done"], item["capture_id"]) == (done, chosen["capture_id"])
        assert (item["week_ending"], item["tier"]) == (str(WEEK), chosen["tier"])
        assert item["build"].endswith(f"--partition {WEEK}")


def every(group: click.Group) -> Iterator[list[str]]:
    """The words of each command of a group."""
    for name in group.commands:
        command = command_of(group, name)
        yield [name]
        if isinstance(command, click.Group):
            yield from ([name, *words] for words in every(command))


@pytest.mark.parametrize("words", list(every(main)), ids=" ".join)
def test_help_shows_examples_a_line_each_and_no_mark_of_its_own_making(words: list[str]) -> None:
    told = CliRunner().invoke(main, [*words, "--help"]).output
    assert "\\b" not in told
    shown = [text.strip() for text in told.splitlines() if text.strip().startswith("spine ")]
    assert all(text.count("spine ") == 1 for text in shown)
