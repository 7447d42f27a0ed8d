"""Dagster's PostgreSQL storage in batches: the content of the stock one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.events import DagsterEventType
from dagster._core.storage.event_log.base import EventLogStorage
from dagster_postgres import DagsterPostgresStorage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spine_assets.dev.local_cluster import postgres
from spine_assets.orchestration.storage import batched_events
from spine_assets.orchestration.storage.postgres import BatchingPostgresStorage
from spine_assets_tests.orchestration.storage import test_sqlite as laws
from spine_assets_tests.support.examples import examples
from spine_assets_tests.support.storing import a_week, entry, event

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(postgres.missing() is not None, reason=str(postgres.missing())),
]
TABLES = ("event_logs", "asset_keys", "asset_event_tags", "asset_check_executions")
RUN = laws.RUNS[0]


@pytest.fixture(scope="module")
def urls() -> Iterator[tuple[str, str]]:
    """Two databases of one server: for Dagster's storage and for ours."""
    with postgres.running() as server:
        yield server.database("stock"), server.database("ours")


@pytest.fixture
def url(urls: tuple[str, str]) -> str:
    """An empty database for ours."""
    BatchingPostgresStorage(urls[1])
    empty(urls[1])
    return urls[1]


def asked(url: str, *statements: str) -> list[dict[str, Any]]:
    """The rows of the last of some statements."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            found = connection.execute(sa.text(statement))
        rows = [dict(row) for row in found.mappings()] if found.returns_rows else []
    engine.dispose()
    return rows


def empty(url: str) -> None:
    asked(url, f"TRUNCATE {', '.join(TABLES)} RESTART IDENTITY")


def rows(url: str) -> dict[str, list[dict[str, Any]]]:
    """All rows, but for when the machine wrote them and ids that no other table names."""
    found = {table: asked(url, f"SELECT * FROM {table} ORDER BY id") for table in TABLES}
    for table, listed in found.items():
        for row in listed:
            row.pop("create_timestamp", None)
            if table != "event_logs":
                row.pop("id")
    found["asset_check_executions"].sort(key=repr)
    return found


def log_at(url: str) -> EventLogStorage:
    return BatchingPostgresStorage(url).event_log_storage


@given(steps=laws.TestEqualContent.STEPS.map(laws.planned_once), most=st.sampled_from((1, 3, 500)))
@settings(
    max_examples=examples(12),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_events_in_any_order_leave_the_same_rows(
    steps: list[laws.Step],
    most: int,
    urls: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batched_events, "MOST_EVENTS", most)
    told, found = [], []
    for storage, url in zip((DagsterPostgresStorage, BatchingPostgresStorage), urls, strict=True):
        made = storage(url)
        empty(url)
        log = made.event_log_storage
        take = laws.TestEqualContent().take
        told.append([take(log, number, step) for number, step in enumerate(steps)])
        log.dispose()
        found.append(rows(url))
    assert told[0] == told[1]
    assert found[0] == found[1]


def test_a_reader_of_the_same_log_sees_what_was_stored_just_before(url: str) -> None:
    log = log_at(url)
    for made in a_week(RUN, 0):
        log.store_event(made)
    assert len(log.get_logs_for_run(RUN)) == len(a_week(RUN, 0))


def test_others_see_it_soon_with_nothing_following(url: str) -> None:
    log = log_at(url)
    for number in range(3):
        for made in a_week(RUN, number):
            log.store_event(made)
    laws.until(lambda: len(rows(url)["event_logs"]) == 9)
    laws.until(lambda: len(rows(url)["asset_check_executions"]) == 3)


def test_an_event_that_does_not_wait_goes_after_those_that_did(url: str) -> None:
    log = log_at(url)
    for made in a_week(RUN, 0):
        log.store_event(made)
    log.store_event(entry(RUN, 1.0, event(DagsterEventType.STEP_START)))
    kinds = [row["dagster_event_type"] for row in rows(url)["event_logs"]]
    assert kinds == ["ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION", None, "STEP_START"]


def test_what_cannot_be_written_is_told_and_is_written_once_when_it_can(url: str) -> None:
    log = log_at(url)
    asked(url, "ALTER TABLE asset_keys RENAME TO elsewhere")  # the second part of a batch fails
    for made in a_week(RUN, 0):
        log.store_event(made)
    assert laws.fails(lambda: log.get_logs_for_run(RUN))
    asked(url, "ALTER TABLE elsewhere RENAME TO asset_keys")
    log.dispose()
    assert len(rows(url)["event_logs"]) == len(a_week(RUN, 0))
    assert [row["execution_status"] for row in rows(url)["asset_check_executions"]] == ["SUCCEEDED"]


def test_dagster_loads_it_from_its_settings(
    url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERE", url)
    text = """storage:
  custom:
    module: spine_assets.orchestration.storage.opening
    class: PostgresStorage
    config: {postgres_url: {env: HERE}}
telemetry: {enabled: false}
"""
    (tmp_path / "dagster.yaml").write_text(text)

    @dg.asset
    def one() -> None:
        """Nothing."""

    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.event_log_storage, type(log_at(url)))
        assert dg.materialize([one], instance=instance).success
        assert instance.get_latest_materialization_event(dg.AssetKey("one")) is not None
    with dg.DagsterInstance.from_ref(instance.get_ref()) as again:  # as another process opens it
        assert isinstance(again.event_log_storage, type(log_at(url)))
