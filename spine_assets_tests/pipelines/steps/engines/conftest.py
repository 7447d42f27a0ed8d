"""A small lake, and servers on loopback, for engines to work with."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from spine_assets.pipelines.steps.workspace import Workspace
from spine_assets_tests.alerts import conftest as alerts
from spine_assets_tests.outbound import conftest as outbound
from spine_assets_tests.support.analysis_lake import ATS, Row, lake_of
from spine_assets_tests.support.s3 import S3Server

T1 = "NMS_TIER_1"
WEEK, EARLIER = date(2025, 11, 21), date(2025, 11, 14)
ROWS = [
    Row(WEEK, T1, "AAPL", "UBSA", "1000", 10),
    Row(WEEK, T1, "AAPL", "XSTM", "250.5", 3),
    Row(WEEK, T1, "MSFT", "UBSA", "40", 2),
    Row(EARLIER, T1, "AAPL", "UBSA", "900", 9),
]
assert {row.venue_class for row in ROWS} == {ATS}

addresses = outbound.addresses  # fixtures
certificate = alerts.certificate
mailbox = alerts.mailbox
no_settings = alerts.no_settings
serving_tls = alerts.serving_tls
webhook = alerts.webhook


@pytest.fixture(scope="session")
def made_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of two weeks, the newer of three rows, that has been asked once."""
    root = tmp_path_factory.mktemp("made")
    lake_of(root / "lake", ROWS)
    with Workspace(root / "lake", root).connect():
        return root / "lake"


@pytest.fixture
def root(tmp_path: Path, made_lake: Path) -> Path:
    """A data folder with a copy of that lake."""
    shutil.copytree(made_lake, tmp_path / "lake")
    return tmp_path


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty bucket, which the environment leads to."""
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return s3_server.new_bucket()
