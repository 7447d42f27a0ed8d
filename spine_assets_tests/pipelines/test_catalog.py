"""Pipelines: parameters as people type them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.pipelines.catalog import (
    Parameter,
    ParameterError,
    ParameterKind,
    Pipeline,
    PipelinePlan,
    read_parameters,
)

PIPELINE = Pipeline(
    "test.one",
    "For the tests.",
    "none",
    lambda values, dry_run: PipelinePlan([]),
    (
        Parameter("week_ending", ParameterKind.WEEK, "the week", required=True),
        Parameter("tier", ParameterKind.TIER, "the tier"),
        Parameter("venue_class", ParameterKind.VENUE_CLASS, "the class"),
        Parameter("force", ParameterKind.FLAG, "force", default=False),
        Parameter("file_path", ParameterKind.FILE, "the file"),
    ),
)


def test_texts_become_values_and_defaults_fill_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "a=b.csv"
    file.touch()
    found = read_parameters(
        PIPELINE,
        [
            "week_ending=2025-11-21",
            "tier=NMS Tier 1",
            "venue_class=non-ats",
            "force=yes",
            f"file_path={file}",
        ],
    )
    assert found == {
        "week_ending": date(2025, 11, 21),
        "tier": Tier.NMS_TIER_1,
        "venue_class": VenueClass.NON_ATS,
        "force": True,
        "file_path": file,
    }
    assert read_parameters(PIPELINE, ["week_ending=2025-11-21"])["force"] is False


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "week_ending is required: the week"),
        (["week_ending=2025-11-20"], "2025-11-20 is a Thursday; weeks end on Fridays: 2025-11-21"),
        (["week_endin=2025-11-21"], "no parameter week_endin; did you mean week_ending?"),
        (["week_ending=2025-11-21", "tier=OTTC"], "'OTTC' is not a tier; did you mean OTC?"),
        (["week_ending=2025-11-21", "force=maybe"], "'maybe' is neither true nor false"),
        (["week_ending=2025-11-21", "file_path=none.csv"], "there is no file none.csv"),
        (["week_ending"], "'week_ending' is not name=value"),
        (["week_ending=2025-11-21", "week_ending=2025-11-28"], "week_ending is given twice"),
    ],
)
def test_a_wrong_parameter_is_told_with_what_was_meant(given: list[str], said: str) -> None:
    with pytest.raises(ParameterError) as told:
        read_parameters(PIPELINE, given)
    assert said in str(told.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ParameterError) as told:
        read_parameters(PIPELINE, ["tier=X", "other=1"])
    for said in ("tier:", "no parameter other", "week_ending is required"):
        assert said in str(told.value)
