"""Several weeks in one run of the job: what each one says, with any number of threads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from spine_assets.core.weeks import Tier, monday_of, publication_day
from spine_assets.dev.sample import generate_week
from spine_assets.otc.delivery.line_schema import DELIVERED
from spine_assets_tests.conftest import line
from spine_assets_tests.support.projects import TABLES, Outcome, Project, Runner
from spine_assets_tests.support.sites import Site, content, opened

WEEKS = [date(2025, 8, 1) + timedelta(weeks=at) for at in range(6)]
ROWS = dict.fromkeys(Tier, 100)
CUT = {(WEEKS[1], Tier.OTC), (WEEKS[4], Tier.NMS_TIER_1)}
TWO_PERCENT = 2  # rows of 100
DELIVERY = ("otc_raw", "delivery")
GOOD, BY_PATH, BY_COLUMN, EMPTY, BY_FIRST_ROW, BOTH = WEEKS
REFUSED = {
    BY_PATH: (f"week_ending={BY_PATH}/page.csv", "this is an HTML or XML page"),
    BY_COLUMN: ("api.csv", "unknown tier"),
    BY_FIRST_ROW: ("tiers.csv", "rows of several tiers"),
}
"""By week, the one file that claims it, and why it is refused."""
WAYS = ["1", *["2"] * 3]  # threads; with two the order of events differs between runs


def deliver_sample(project: Project) -> None:
    """All weeks; two tiers have two of their hundred rows."""
    for week in WEEKS:
        for file in generate_week(week, seed=7, rows=ROWS):
            lines = file.content.decode().splitlines(keepends=True)
            left = 1 + TWO_PERCENT if (week, file.tier) in CUT else len(lines)
            project.drop(f"week_ending={week}/{file.tier}.csv", "".join(lines[:left]))


def cut_files(outcome: Outcome) -> dict[str, list[str]]:
    """By week, the files of which its check `delivery` says that they are cut."""
    found = {}
    for week in map(str, WEEKS):
        held = outcome.evaluations()["otc_raw", "delivery", week].metadata.get("sample")
        records = held.records if isinstance(held, dg.TableMetadataValue) else []
        cut = [str(row.data["what"]) for row in records if row.data["finding"] == "truncated_file"]
        if cut:
            found[week] = cut
    return found


@pytest.mark.parametrize("threads", WAYS, ids=[f"{n}-{way}" for n, way in enumerate(WAYS)])
def test_cut_files_are_named_by_their_own_weeks(
    project: Project, runner: Runner, monkeypatch: pytest.MonkeyPatch, threads: str
) -> None:
    """Each is compared with the weeks before it, which the same run captures."""
    monkeypatch.setenv("SPINE_THREADS", threads)
    deliver_sample(project)
    outcome = runner.range(WEEKS[0], WEEKS[-1])
    assert outcome.success
    assert cut_files(outcome) == {
        str(week): [f"week_ending={week}/{tier}.csv"] for week, tier in sorted(CUT)
    }


def deliver_refused(project: Project) -> None:
    """Two weeks with a good file, three with a refused one alone, one with none."""
    for week in (GOOD, BOTH):
        project.deliver(week, Tier.OTC)
    html = "<html><body>moved</body></html>\n"
    for week in (BY_PATH, BOTH):
        project.drop(f"week_ending={week}/page.csv", html)
    column = "|".join([*DELIVERED, "weekStartDate"])
    row = f"{line(tier='NMS Tier 9')}|{monday_of(BY_COLUMN)}"
    project.drop("api.csv", content(row, header=column).decode())
    otc = line("AAAA", updated=str(publication_day(BY_FIRST_ROW, Tier.OTC)))
    project.drop("tiers.csv", content(otc, line(tier="NMS Tier 1")).decode())


@pytest.fixture
def site(tmp_path: Path, code_location: dg.Definitions) -> Iterator[Site]:
    with opened(tmp_path, code_location) as made:
        yield made


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_week_of_which_all_files_are_refused_has_failed_and_says_why(
    project: Project, runner: Runner, monkeypatch: pytest.MonkeyPatch, threads: str
) -> None:
    monkeypatch.setenv("SPINE_THREADS", threads)
    deliver_refused(project)
    outcome = runner.range(WEEKS[0], WEEKS[-1])
    assert outcome.failed_weeks == [str(week) for week in REFUSED]
    assert outcome.failure.startswith("3 of 5 weeks failed:")
    assert outcome.materialized() == [(name, str(week)) for week in (GOOD, BOTH) for name in TABLES]
    evaluations = outcome.evaluations()
    for week, (name, reason) in REFUSED.items():
        found = evaluations[*DELIVERY, str(week)]
        assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
        assert f"{name}: {reason}" in (found.description or "")
    assert [key for key in evaluations if key[2] == str(EMPTY)] == []
    warned = evaluations[*DELIVERY, str(BOTH)]
    assert (warned.passed, warned.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert f"week_ending={BOTH}/page.csv" in (warned.description or "")


def test_a_refused_file_of_a_week_that_is_not_requested_is_no_failure(
    project: Project, runner: Runner
) -> None:
    deliver_refused(project)
    assert runner.range(EMPTY, EMPTY).failed_weeks == [str(EMPTY)]
    project.deliver(BY_PATH - timedelta(weeks=2), Tier.OTC)
    outcome = runner.range(BY_PATH - timedelta(weeks=2), GOOD)
    assert outcome.success


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_backfill_of_refused_weeks_ends_with_an_error(
    site: Site, monkeypatch: pytest.MonkeyPatch, threads: str
) -> None:
    monkeypatch.setenv("SPINE_THREADS", threads)
    deliver_refused(site.project)
    done = site.spine("backfill", f"{WEEKS[0]}..{WEEKS[-1]}", "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert told["weeks"] == [str(week) for week in WEEKS if week != EMPTY]
    assert site.spine("backfill", str(EMPTY)).exit_code == 0
    left = json.loads(site.spine("backfill", "--missing", "--dry-run", "--json").stdout)
    assert left["weeks"] == [str(week) for week in REFUSED]


@pytest.mark.long
@pytest.mark.parametrize("threads", ["1", "2"])
def test_the_command_for_a_range_ends_with_an_error_where_a_week_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch, threads: str
) -> None:
    """Exit codes and stored events of real commands; the quick tests above hold the logic."""
    monkeypatch.setenv("SPINE_THREADS", threads)
    deliver_refused(site.project)
    materialize = ("dagster", "asset", "materialize", "-m", "spine_assets.definitions")

    span = ("--select", "group:otc", "--partition-range", f"{WEEKS[0]}...{WEEKS[-1]}")
    assert site.project.run(*materialize, *span).returncode == 1
    instance = site.runner.instance
    built = instance.get_materialized_partitions(dg.AssetKey("otc_raw"))
    assert built == {str(GOOD), str(BOTH)}
    for week in REFUSED:
        assert site.runner.check_states(week)[DELIVERY][0] == "FAILED"
        assert site.runner.states(week) == {table: ["failed"] for table in TABLES}
    assert site.project.run("spine", "backfill", f"{BY_PATH}..{BOTH}").returncode == 1
    for path in site.project.landing.rglob("*.csv"):
        if path.name in {"page.csv", "api.csv", "tiers.csv"}:
            path.unlink()
    assert site.project.run(*materialize, *span).returncode == 0
