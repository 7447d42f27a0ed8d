"""Pipelines: parameters as people type them, and domains found by their folder."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import pytest

import spine_assets.defs
from spine_assets.declarative.examples import examples
from spine_assets.pipelines import (
    Kind,
    Parameter,
    ParameterError,
    Pipeline,
    Plan,
    discover,
    read_parameters,
)
from spine_assets.weeks import Tier, VenueClass

PIPELINE = Pipeline(
    "test.one",
    "For the tests.",
    "none",
    lambda values, dry_run: Plan([]),
    (
        Parameter("week_ending", Kind.WEEK, "the week", required=True),
        Parameter("tier", Kind.TIER, "the tier"),
        Parameter("venue_class", Kind.VENUE_CLASS, "the class"),
        Parameter("force", Kind.FLAG, "force", default=False),
        Parameter("file_path", Kind.FILE, "the file"),
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
        (["week_ending=2025-11-21", "tier=OTTC"], "'OTTC' is no tier; did you mean OTC?"),
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


def test_the_pipelines_of_the_older_system_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples()["hello"].copy(tmp_path)
    monkeypatch.setattr(spine_assets.defs, "__path__", [*spine_assets.defs.__path__, str(tmp_path)])
    found = discover()
    for name in ("spine_assets.defs.hello.pipelines", "spine_assets.defs.hello"):
        sys.modules.pop(name)
    assert {"otc.ingest_week", "otc.ingest", "otc.normalize", "otc.summarize"} <= set(found)
    assert {"compute_otc_metrics", "example.hello"} <= set(found)
    assert [name for name, one in found.items() if one.name != name] == []


def test_a_new_folder_is_a_new_domain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    domain = tmp_path / "weather"
    domain.mkdir()
    (domain / "__init__.py").write_text('"""A domain."""\n')
    (domain / "pipelines.py").write_text(
        "from spine_assets.pipelines import Pipeline, Plan\n"
        "PIPELINES = (Pipeline('weather.look', 'Looks.', 'none', lambda v, d: Plan([])),)\n"
    )
    path = [*spine_assets.defs.__path__, str(tmp_path)]
    monkeypatch.setattr(spine_assets.defs, "__path__", path)
    assert discover()["weather.look"].description == "Looks."
    sys.modules.pop("spine_assets.defs.weather.pipelines")
    sys.modules.pop("spine_assets.defs.weather")


def test_two_pipelines_of_one_name_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = tmp_path / "second"
    domain.mkdir()
    (domain / "__init__.py").touch()
    (domain / "pipelines.py").write_text(
        "from spine_assets.pipelines import Pipeline, Plan\n"
        "PIPELINES = (Pipeline('otc.ingest', 'Again.', 'none', lambda v, d: Plan([])),)\n"
    )
    path = [*spine_assets.defs.__path__, str(tmp_path)]
    monkeypatch.setattr(spine_assets.defs, "__path__", path)
    with pytest.raises(ValueError, match=r"two pipelines are named otc\.ingest"):
        discover()
