"""Pipelines of all domains are found by folder, and each has a name of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import spine_assets.defs
from spine_assets.pipelines.discovery import discover
from spine_assets.pipelines.examples import examples


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
        "from spine_assets.pipelines.catalog import Pipeline, PipelinePlan\n"
        "PIPELINES = (Pipeline('weather.look', 'Looks.', 'none', lambda v, d: PipelinePlan([])),)\n"
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
        "from spine_assets.pipelines.catalog import Pipeline, PipelinePlan\n"
        "PIPELINES = (Pipeline('otc.ingest', 'Again.', 'none', lambda v, d: PipelinePlan([])),)\n"
    )
    path = [*spine_assets.defs.__path__, str(tmp_path)]
    monkeypatch.setattr(spine_assets.defs, "__path__", path)
    with pytest.raises(ValueError, match=r"two pipelines are named otc\.ingest"):
        discover()
