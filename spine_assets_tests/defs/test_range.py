"""Several weeks in one run of the job: what each one says, with any number of threads."""

from __future__ import annotations

from datetime import date, timedelta

import dagster as dg
import pytest

from spine_assets.core.weeks import Tier
from spine_assets.dev.sample import generate_week
from spine_assets_tests.support.projects import Outcome, Project, Runner

WEEKS = [date(2025, 8, 1) + timedelta(weeks=at) for at in range(6)]
ROWS = dict.fromkeys(Tier, 100)
CUT = {(WEEKS[1], Tier.OTC), (WEEKS[4], Tier.NMS_TIER_1)}
TWO_PERCENT = 2  # rows of 100
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
