"""Secrets of the environment or of `.env` stand in no log, table or metadata."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

from spine_assets.core.weeks import Tier
from spine_assets_tests.conftest import WEEK
from spine_assets_tests.support.projects import (
    EVERY_TIER,
    TABLES,
    Project,
)

MATERIALIZE = ("dagster", "asset", "materialize", "-m", "spine_assets.definitions", "--select")
NAMES = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "SPINE_SMTP_PASSWORD",
    "SPINE_API_TOKEN",
    "FINRA_CLIENT_SECRET",
    "DAGSTER_CLOUD_API_TOKEN",
    "DAGSTER_PG_PASSWORD",
    "PGPASSWORD",
    "SLACK_WEBHOOK_URL",
)
SECRET = "s3cr3t-5e7d-"
SHOWN = "SHOWN-ON-PURPOSE"
"""Stands in a delivered line, so that it must be found where the secrets must not."""


@pytest.fixture
def guarded(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with secrets in its environment and in its `.env`."""
    for name in NAMES:
        monkeypatch.setenv(name, f"{SECRET}environment-{name}")
    (project.root / ".env").write_text(
        "".join(f"{name}_2={SECRET}file-{name}\n" for name in NAMES), "utf-8"
    )
    project.deliver(WEEK, *EVERY_TIER)
    project.drop("week_ending=2025-11-21/odd.csv", "<html>not data</html>")
    return project


def stored_text(project: Project) -> bytes:
    """All bytes of the project but its `.env`, and the tables' text, which is compressed."""
    found = [
        str(path.relative_to(project.root)).encode() + b"\n" + path.read_bytes()
        for path in sorted(project.root.rglob("*"))
        if path.is_file() and path.name != ".env"
    ]
    for path in sorted(project.lake.rglob("*.parquet")):
        found.append(str(pl.read_parquet(path, glob=False).rows()).encode())
        found.append(str(pl.read_parquet_metadata(path)).encode())
    with duckdb.connect(str(project.root / "data" / "spine.duckdb"), read_only=True) as views:
        found.append(str(views.execute("SELECT * FROM duckdb_views()").fetchall()).encode())
        found.append(str(views.execute("SELECT * FROM duckdb_settings()").fetchall()).encode())
    return b"\n".join(found)


@pytest.mark.long
def test_good_and_failed_runs_leave_no_secret_behind(guarded: Project) -> None:
    header_and_rows = (guarded.landing / f"week_ending={WEEK}" / "otc.csv").read_text()
    bad = f"OTC|{SHOWN}|x|y|OTCX|not-a-number|1|2025-12-22\n"
    guarded.drop(f"week_ending={WEEK}/otc.csv", header_and_rows + bad)
    good = guarded.run(*MATERIALIZE, "group:otc", "--partition", str(WEEK))
    assert good.returncode == 0, good.stdout + good.stderr
    # A single table without its upstream fails, and so does a setting that is none.
    guarded.deliver(WEEK, Tier.OTC, rows=(("NEW", "OTCX", 1, 1),), mark="-later")
    failed = guarded.run(*MATERIALIZE, "otc_venue_share", "--partition", str(WEEK))
    assert failed.returncode == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINE_LAKE", str(guarded.root / "dagster.yaml"))  # no folder
        crashed = guarded.run(*MATERIALIZE, "group:otc", "--partition", str(WEEK))
    assert crashed.returncode == 1
    told = [
        guarded.run("spine", "status"),
        guarded.run("spine", "query", "FROM otc_rejects", "--json"),
    ]
    assert [done.returncode for done in told] == [0, 0]
    printed = "".join(done.stdout + done.stderr for done in (good, failed, crashed, *told))
    assert SHOWN in printed
    assert SECRET not in printed
    stored = stored_text(guarded)
    assert all(table.encode() in stored for table in TABLES)
    events = b"".join(
        path.read_bytes() for path in (guarded.root / "data" / "dagster").rglob("*.db")
    )
    assert SHOWN.encode() in events
    assert SECRET.encode() not in stored
    assert SECRET.encode() not in events
    compute_logs = list((guarded.root / "data" / "dagster" / "compute_logs").rglob("*.*"))
    assert compute_logs


def test_a_wrong_setting_is_told_without_the_others(
    guarded: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_LOG_LEVEL", "LOUD")
    done = guarded.run("spine", "status")
    assert done.returncode == 1
    assert "SPINE_LOG_LEVEL" in done.stderr
    assert SECRET not in done.stdout + done.stderr
