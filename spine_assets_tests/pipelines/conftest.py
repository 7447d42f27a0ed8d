"""Engines of tests as an installed package offers them, and a place where flows run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spine_assets.pipelines.steps import registry as finding
from spine_assets.pipelines.yaml import model as declaration
from spine_assets_tests.conftest import WEEK, House, delivered, line
from spine_assets_tests.pipelines.flows import FLOW, Flows
from spine_assets_tests.support import storages

SOURCE = Path(__file__).parents[2]
_OFFERED = "[spine_assets.engines]\ntest.act = spine_assets_tests.pipelines.acting:ENGINE\n"


def _forget_engines() -> None:
    finding.engines.cache_clear()
    declaration._step_models.cache_clear()


@pytest.fixture(scope="package", autouse=True)
def offered_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A package beside this project, as installers leave it, whose entry point offers an engine."""
    site = tmp_path_factory.mktemp("site")
    about = site / "spine_test_engines-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: spine-test-engines\nVersion: 1.0\n"
    )
    (about / "entry_points.txt").write_text(_OFFERED)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(SOURCE)]))
        _forget_engines()
        yield
    _forget_engines()
    assert str(site) not in sys.path


@pytest.fixture
def loaded(house: House) -> House:
    """A week of two symbols, of one tier alone."""
    house.drop(
        f"week_ending={WEEK}/otc.csv",
        delivered(line("AAAA", shares="100.5"), line("BBBB", mpid="OTCN", shares="5")),
    )
    house.built()
    return house


@pytest.fixture
def flows(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flows]:
    """Flows that work in a data folder of their own, against an instance on disk."""
    for name in os.environ:
        if name.startswith("SPINE_") or name == "DAGSTER_HOME":
            monkeypatch.delenv(name)
    monkeypatch.chdir(house.root)  # there is no .env
    monkeypatch.setenv("SPINE_DATA_DIR", str(house.root))
    monkeypatch.setenv("SPINE_LAKE", str(house.lake.place))
    monkeypatch.setenv(FLOW, "")
    with storages.instance_in(house.root / "instance") as instance:
        yield Flows(house.root, instance)
