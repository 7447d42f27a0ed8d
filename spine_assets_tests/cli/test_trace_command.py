"""`spine trace` over weeks that Dagster built: the runs behind a number, and what is printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spine_assets.orchestration.history import open_instance
from spine_assets.orchestration.history.origins import built_by, captured_by
from spine_assets_tests.support.projects import SOURCE
from spine_assets_tests.support.sites import Site, opened

WEEK = date(2025, 10, 17)
SAMPLE = SOURCE / "data" / "sample"
FIRST, LATER = (
    "first/finra_otc_weekly_tier1_20251103.csv",
    "later/finra_otc_weekly_tier1_20251110_corrected.csv",
)


@pytest.fixture(scope="module")
def runs() -> list[str]:
    """The runs of `site`, in order: the first file, the same again, its correction, unchanged."""
    return []


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, code_location: dg.Definitions, runs: list[str]
) -> Iterator[Site]:
    """A week of the sample that was corrected, built by four runs."""
    with opened(tmp_path_factory.mktemp("traced"), code_location) as made:
        for name in (FIRST, None, LATER, None):
            if name:
                made.drop(Path(name).name, (SAMPLE / name).read_bytes())
            ran = made.runner.week(WEEK)
            assert ran.success
            runs.append(ran.result.run_id)
        yield made


def told(site: Site, *words: str) -> Any:
    done = site.spine("trace", *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_each_capture_and_each_row_name_the_run_that_made_them(site: Site, runs: list[str]) -> None:
    found = told(site, "PMCY", str(WEEK), "--mpid", "SGMT")
    assert [(item["counts"], item["run_id"]) for item in found["lines"]] == [
        (True, runs[2]),
        (False, runs[0]),
    ]
    assert {item["run_id"] for item in found["feeds"]} == {runs[2]}
    assert {item["table"] for item in found["feeds"]} == {
        "otc_symbol_summary",
        "otc_venue_volume",
        "otc_venue_share",
        "otc_restatements",
    }
    raw = (SAMPLE / LATER).read_text().split("\n")[found["lines"][0]["source_line"] - 1]
    assert found["lines"][0]["raw_text"] == raw
    assert found["lines"][0]["share_volume"] == int(raw.split("|")[5])
    assert [item["agrees"] for item in found["sums"]] == [True]


def test_a_capture_that_never_counted_is_told_by_the_run_that_was_under_way(
    site: Site, runs: list[str]
) -> None:
    found = told(site, "PMCY", str(WEEK), "--mpid", "SGMT")
    late = {item["capture_id"]: item["captured_at"] for item in found["lines"]}
    named = next(iter(late))
    at = datetime.fromisoformat(late[named])
    with open_instance(site.project.root) as instance:
        answer = captured_by(instance, WEEK, {"20260101T000000Z-000000000000": at, named: at})
        assert {item.run_id for item in answer.values() if item} == {runs[2]}
        before = datetime(2014, 1, 1, tzinfo=UTC).replace(tzinfo=None)
        assert captured_by(instance, WEEK, {named: before}) == {named: None}


def test_another_dagster_remembers_nothing(site: Site) -> None:
    found = told(site, "PMCY", str(WEEK), "--mpid", "SGMT")
    build = (found["feeds"][0]["table"], found["feeds"][0]["capture_id"])
    with dg.DagsterInstance.ephemeral() as other:
        assert built_by(other, WEEK, [build]) == {build: None}


def test_without_a_dagster_the_lines_are_told_all_the_same(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_DATA_DIR", str(site.project.root / "data"))
    monkeypatch.chdir(tmp_path)
    found = told(site, "PMCY", str(WEEK), "--mpid", "SGMT")
    assert {item["run"] for item in [*found["lines"], *found["feeds"]]} == {
        "not in Dagster's memory"
    }
    assert (
        "not in Dagster's memory" in site.spine("trace", "PMCY", str(WEEK), "--mpid", "SGMT").output
    )


def test_a_screen_shows_file_and_text_figures_and_that_sums_agree(
    site: Site, runs: list[str]
) -> None:
    shown = site.spine("trace", "PMCY", str(WEEK), "--mpid", "SGMT").output
    named = "Amber Bay Bancorp Inc. Common Stock (synthetic)|SGMT SIGMA X2 (synthetic)"
    assert f"NMS Tier 1|PMCY|{named}|SGMT|913500" in shown
    for text in ("older: the current", Path(LATER).name, runs[2][:8], "913,500"):
        assert text in shown
    assert "NMS_TIER_1: 29 lines count" in shown
    assert "sums agree" in shown
    assert len(shown.splitlines()) < 50
    assert "(5 of 58; --limit shows more)" in site.spine("trace", "PMCY", str(WEEK)).output


def test_what_is_not_there_ends_with_1_and_says_what_is_near(site: Site) -> None:
    for words, said in (
        (("pmcy", str(WEEK)), "case matters: PMCY (NMS_TIER_1)"),
        (("PMCY", "2025-10-24"), "nothing of week 2025-10-24 is captured"),
        (("PMCY", str(WEEK), "--tier", "OTC"), "PMCY has no line in OTC"),
    ):
        done = site.spine("trace", *words)
        assert (done.exit_code, "Traceback" in done.output) == (1, False)
        assert said in done.output
    assert site.spine("trace", "PMCY", str(WEEK), "--tier", "T1").exit_code == 2
