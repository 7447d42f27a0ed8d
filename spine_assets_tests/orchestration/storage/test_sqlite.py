"""Dagster's storage in batches: the content of the stock one, whatever happens to the process."""

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest
import sqlalchemy
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, DagsterEvent, DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError, OperationalError

from spine_assets.orchestration.check_targets import CheckTarget, target_of
from spine_assets.orchestration.partitions import WEEKS
from spine_assets.orchestration.storage import batched_events
from spine_assets.orchestration.storage import sqlite as dagster_storage
from spine_assets.orchestration.storage.sqlite import BatchingSqliteStorage, _is_made
from spine_assets_tests.conftest import files_limited_to
from spine_assets_tests.support.examples import examples
from spine_assets_tests.support.storing import (
    CHECK,
    EVENTS_A_WEEK,
    a_week,
    check_planned,
    entry,
    evaluated,
    event,
    materialized,
    observed,
    planned,
    week,
)

STOCK = "sqlite: {base_dir: STORE}"
OURS = """custom:
    module: spine_assets.orchestration.storage.sqlite
    class: BatchingSqliteStorage
    config: {base_dir: STORE}
"""
RUNS = tuple(str(uuid.UUID(int=number, version=4)) for number in (1, 2))
ASKED = [week(number) for number in range(4)]
HISTORY = Path("history/runs")
_SECONDS = 60  # for what takes a tenth of one; a machine under load


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store with the files of two runs, which take a second to make."""
    base = tmp_path_factory.mktemp("made") / "store"
    log = DagsterSqliteStorage(str(base)).event_log_storage
    for run_id in RUNS:
        assert not log.get_logs_for_run(run_id)
    return base


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "store"))


def log_at(store: Path) -> EventLogStorage:
    """Our event log."""
    return BatchingSqliteStorage(str(store)).event_log_storage


def database(store: Path, name: str) -> sqlite3.Connection:
    return sqlite3.connect(store / HISTORY / f"{name}.db")


def rows(store: Path, name: str) -> dict[str, list[dict[str, Any]]]:
    """All rows of a database with their ids; not when the machine wrote them."""
    with closing(database(store, name)) as connection:
        connection.row_factory = sqlite3.Row
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        found = {
            table: [dict(row) for row in connection.execute(f'SELECT * FROM "{table}" ORDER BY 1')]
            for (table,) in tables.fetchall()
        }
    for listed in found.values():
        for row in listed:
            for column in ("create_timestamp", "migration_completed"):
                row.pop(column, None)
    return found


def rows_of(store: Path, name: str) -> list[dict[str, Any]]:
    """The events in a database, in the order of their ids."""
    return rows(store, name)["event_logs"]


def told_of(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Kind and partition of the events; a check's partition stands only in its event."""
    return [
        (row["dagster_event_type"], re.findall(r'"partition": "([\d-]+)"', row["event"])[0])
        for row in found
        if '"partition": "' in row["event"]
    ]


def of_weeks(count: int) -> list[tuple[str, str]]:
    """The same of so many whole weeks."""
    kinds = ("ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION")
    return [(kind, week(number)) for number in range(count) for kind in kinds]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _SECONDS
    while not holds():
        assert time.monotonic() < end, f"it did not come to pass in {_SECONDS} s"
        time.sleep(0.02)


def latest(log: EventLogStorage, asset: str, partition: str | None) -> CheckTarget | None:
    """The target that a step gives its evaluation in an instance with this log."""
    holder = cast(
        "dg.DagsterInstance",
        SimpleNamespace(event_log_storage=log, fetch_materializations=log.fetch_materializations),
    )
    return target_of(holder, dg.AssetKey(asset), partition)


Step = tuple[str, str, str, str | None, bool]
"""Kind of event, run, asset, partition, passed."""


def planned_once(steps: list[Step]) -> list[Step]:
    """The steps without a check of partitions that its run has planned or evaluated before.

    Dagster plans once, when it creates a run. A second plan is tested separately.
    """
    seen: set[tuple[str, str]] = set()
    kept = []
    for step in steps:
        kind, run_id, asset, partition, _ = step
        of_partitions = kind in {"evaluated", "targeted", "check planned"} and partition is not None
        if kind == "check planned" and of_partitions and (run_id, asset) in seen:
            continue
        if of_partitions:
            seen.add((run_id, asset))
        kept.append(step)
    return kept


class TestEqualContent:
    """The same events, stored one by one by Dagster and in batches by us."""

    KINDS = (
        "materialized",
        "planned",
        "evaluated",
        "targeted",
        "check planned",
        "observed",
        "output",
        "line",
        "started",
        "failed",
        "read",
    )
    STEPS = st.lists(
        st.tuples(
            st.sampled_from(KINDS),
            st.sampled_from(RUNS),
            st.sampled_from(("table", "other")),
            st.sampled_from((None, week(0), week(1))),
            st.booleans(),
        ),
        max_size=30,
    )

    @given(steps=STEPS.map(planned_once), most=st.sampled_from((1, 3, 500)))
    @settings(
        max_examples=examples(12),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_any_events_in_any_order_leave_the_same_rows(
        self,
        steps: list[Step],
        most: int,
        made: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(batched_events, "MOST_EVENTS", most)
        told, found = [], []
        for storage in (DagsterSqliteStorage, BatchingSqliteStorage):
            place = tmp_path / uuid.uuid4().hex
            shutil.copytree(made, place)
            log = storage(str(place)).event_log_storage
            told.append([self.take(log, number, step) for number, step in enumerate(steps)])
            log.dispose()
            found.append({name: rows(place, name) for name in ("index", *RUNS)})
            shutil.rmtree(place)
        assert told[0] == told[1]
        assert found[0] == found[1]

    def take(self, log: EventLogStorage, number: int, step: Step) -> Any:
        """Store one event, or read; what came of it."""
        kind, run_id, asset, partition, passed = step
        at = 1_700_000_000.0 + number
        if kind == "read":
            return len(log.get_logs_for_run(run_id)), log.get_maximum_record_id()
        of_kind: dict[str, Callable[[], DagsterEvent | None]] = {
            "materialized": lambda: materialized(asset, partition, f"v{number}"),
            "planned": lambda: planned(asset, partition),
            "evaluated": lambda: evaluated(asset, partition, passed=passed),
            "targeted": lambda: evaluated(
                asset, partition, passed=passed, target=latest(log, asset, partition)
            ),
            "output": lambda: event(DagsterEventType.STEP_OUTPUT),
            "check planned": lambda: check_planned(
                asset, [partition, week(2)] if partition else None
            ),
            "observed": lambda: observed(asset, partition),
            "line": lambda: None,
            "started": lambda: event(DagsterEventType.RUN_START),
            "failed": lambda: event(DagsterEventType.STEP_START),
        }
        try:
            log.store_event(entry(run_id, at, of_kind[kind](), said=f"number {number}"))
        except Exception as error:  # the same one of both
            return type(error)
        return None

    def test_a_plan_replaces_no_evaluation_and_no_other_plan(self, store: Path) -> None:
        log = log_at(store)
        both = [week(0), week(1)]
        for at, made in enumerate(
            (
                evaluated("table", week(0), passed=True),
                check_planned("table", both),
                check_planned("table", both),
                evaluated("table", week(1), passed=False),
            )
        ):
            log.store_event(entry(RUNS[0], float(at), made))
        log.dispose()
        executions = rows(store, "index")["asset_check_executions"]
        assert {(row["partition"], row["execution_status"]) for row in executions} == {
            (week(0), "SUCCEEDED"),
            (week(1), "FAILED"),
        }
        assert len(executions) == 2

    @pytest.mark.filterwarnings("ignore:.*partitions_def on an AssetCheckSpec")
    def test_a_job_leaves_the_same_answers_and_each_storage_reads_the_others_files(
        self, tmp_path: Path
    ) -> None:
        for name, text in (("stock", STOCK), ("ours", OURS)):
            with instance(tmp_path / name, text) as made:
                for number, first in enumerate(ASKED[:2]):
                    job().execute_in_process(
                        instance=made,
                        run_id=RUNS[number],
                        raise_on_error=False,
                        tags={
                            "dagster/asset_partition_range_start": first,
                            "dagster/asset_partition_range_end": ASKED[-1],
                        },
                    )
        # Each is read by the other.
        with instance(tmp_path / "stock", OURS) as made:
            stock = answers(made)
        with instance(tmp_path / "ours", STOCK) as made:
            ours = answers(made)
        for name, answer in stock.items():
            assert ours[name] == answer, name
        assert len(stock["materializations"]) == 5
        assert {status for _, status, *_ in stock["checks"]["each"]} == {
            "SUCCEEDED",
            "FAILED",
            "PLANNED",
        }


def job() -> dg.JobDefinition:
    """Weeks of which one fails, checks with and without partitions, lines, an observation."""

    @dg.multi_asset(
        specs=[dg.AssetSpec("table", partitions_def=WEEKS, skippable=True)],
        check_specs=[
            dg.AssetCheckSpec("each", asset="table", partitions_def=WEEKS),
            dg.AssetCheckSpec("whole", asset="table"),
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def build(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield dg.AssetObservation("table", partition=ASKED[0], metadata={"rows": 1})
        yield dg.AssetCheckResult(check_name="whole", passed=True)
        for key in context.partition_keys:
            if key == ASKED[-1]:
                raise dg.Failure(f"{key} is bad", allow_retries=False)
            yield dg.AssetMaterialization(
                "table",
                partition=key,
                metadata={"week": key},
                tags={"dagster/data_version": f"v{key}"},
            )
            yield dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("table"),
                check_name="each",
                passed=key != ASKED[1],
                partition=key,
                metadata={"week": key},
                target_materialization_data=target_of(context.instance, dg.AssetKey("table"), key),
            )
            context.log.info(f"built {key}")

    return dg.Definitions(
        assets=[build], jobs=[dg.define_asset_job("all", selection="*")]
    ).resolve_job_def("all")


@contextmanager
def instance(root: Path, storage: str) -> Iterator[dg.DagsterInstance]:
    """An instance whose history is at `root/store`."""
    root.mkdir(exist_ok=True)
    text = f"storage:\n  {storage}\ntelemetry: {{enabled: false}}\n"
    (root / "dagster.yaml").write_text(text.replace("STORE", str(root / "store")))
    with dg.DagsterInstance.from_config(str(root)) as found:
        yield found


def answers(made: dg.DagsterInstance) -> dict[str, Any]:
    """What the instance says of runs, events, partitions and checks."""
    table = dg.AssetKey("table")
    log = made.event_log_storage
    (asset,) = made.get_asset_records([table])
    with partition_loading_context():
        statuses = made.get_status_by_partition(table, ASKED, WEEKS)
    return {
        "runs": [(run.run_id, run.status, run.tags) for run in made.get_runs()],
        "records": [told(made.get_records_for_run(run_id).records) for run_id in RUNS],
        "materializations": told(made.fetch_materializations(table, limit=100).records),
        "observations": told(made.fetch_observations(table, limit=100).records),
        "failed runs": told(
            made.fetch_run_status_changes(DagsterEventType.RUN_FAILURE, limit=100).records
        ),
        "statuses": statuses,
        "tags": made.get_event_tags_for_asset(table),
        "versions": log.get_latest_tags_by_partition(
            table, DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"]
        ),
        "latest": told([asset.asset_entry.last_materialization_record]),
        "last run": asset.asset_entry.last_run_id,
        "checks": {
            name: [
                (item.id, item.status.value, item.run_id, item.partition, _said(item.event))
                for item in log.get_asset_check_execution_history(
                    dg.AssetCheckKey(table, name), limit=100
                )
            ]
            for name in ("each", "whole")
        },
        "summaries": [
            (key, record.last_check_execution_record and record.last_check_execution_record.id)
            for key, record in log.get_asset_check_summary_records(
                [dg.AssetCheckKey(table, name) for name in ("each", "whole")]
            ).items()
        ],
    }


def told(records: Sequence[Any]) -> list[Any]:
    """Records with their ids."""
    return [(record.storage_id, _said(record.event_log_entry)) for record in records]


def _said(told: EventLogEntry | None) -> tuple[Any, ...]:
    """An entry without what differs from run to run: times, process, files."""
    assert told is not None
    made = told.dagster_event
    kind = told.dagster_event_type
    data = made.event_specific_data if made and kind in ASSET_EVENTS | ASSET_CHECK_EVENTS else None
    asset = made and (made.asset_key, made.partition)
    texts = (told.user_message, repr(data))
    return (
        *(kind, asset, told.run_id, told.step_key, told.level),
        *(re.sub(r"[\d.]+m?s\b|pid: \d+|timestamp=[\d.]+", "", text) for text in texts),
    )


class TestOpening:
    def test_a_file_that_is_not_whole_is_left_to_dagster(self, tmp_path: Path) -> None:
        path = tmp_path / "run.db"
        engine = sqlalchemy.create_engine(f"sqlite:///{path}")
        assert not _is_made(engine)
        assert not path.exists()
        for statement, is_made in (
            ("CREATE TABLE alembic_version (version_num TEXT)", False),
            ("INSERT INTO alembic_version VALUES ('one')", True),
            ("INSERT INTO alembic_version VALUES ('two heads')", False),
        ):
            with engine.begin() as connection:
                connection.execute(sqlalchemy.text(statement))
            assert _is_made(engine) is is_made, statement
        engine.dispose()
        path.write_bytes(b"no database")
        assert not _is_made(engine)


class TestOrder:
    """What is seen, by whom, and when."""

    def test_a_reader_of_the_same_log_sees_what_was_stored_just_before(self, store: Path) -> None:
        log = log_at(store)
        for made in a_week(RUNS[0], 0):
            log.store_event(made)
        assert len(log.get_logs_for_run(RUNS[0])) == EVENTS_A_WEEK
        assert told_of(rows_of(store, "index")) == of_weeks(1)

    def test_others_see_it_soon_with_nothing_following(self, store: Path) -> None:
        log = log_at(store)
        for made in a_week(RUNS[0], 0):
            log.store_event(made)
        assert len(rows_of(store, RUNS[0])) < EVENTS_A_WEEK  # else nothing waits
        until(lambda: len(rows_of(store, RUNS[0])) == EVENTS_A_WEEK)
        until(lambda: len(rows_of(store, "index")) == 2)

    def test_an_event_that_does_not_wait_goes_after_those_that_did(self, store: Path) -> None:
        log = log_at(store)
        for made in a_week(RUNS[0], 0):
            log.store_event(made)
        log.store_event(entry(RUNS[0], 1.0, event(DagsterEventType.STEP_START)))
        assert [row["dagster_event_type"] for row in rows_of(store, RUNS[0])] == [
            "ASSET_MATERIALIZATION",
            "ASSET_CHECK_EVALUATION",
            None,
            "STEP_START",
        ]

    def test_the_end_of_an_instance_and_of_a_process_write_what_waits(self, store: Path) -> None:
        log = log_at(store)
        log.store_event(a_week(RUNS[0], 0)[0])
        log.dispose()
        assert len(rows_of(store, RUNS[0])) == 1
        with storing(store, RUNS[1], 1) as process:
            assert process.wait(_SECONDS) == 0
        assert len(rows_of(store, RUNS[1])) == EVENTS_A_WEEK

    def test_threads_that_store_at_once_lose_nothing(self, store: Path) -> None:
        log = log_at(store)

        def store_all(run_id: str) -> None:
            for number in range(40):
                for made in a_week(run_id, number):
                    log.store_event(made)
                if number % 10 == 0:
                    log.store_event(entry(run_id, 1.0, event(DagsterEventType.STEP_START)))

        threads = [threading.Thread(target=store_all, args=(run_id,)) for run_id in RUNS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        log.dispose()
        for run_id in RUNS:
            assert told_of(rows_of(store, run_id)) == of_weeks(40)


@pytest.mark.long
class TestProcesses:
    """Killed, interrupted, and two at once."""

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "ctrl-c"])
    def test_one_that_ends_in_the_middle_leaves_whole_events_in_order(
        self, store: Path, number: signal.Signals
    ) -> None:
        with storing(store, RUNS[0], 100_000) as process:
            said = [process.stdout.readline() for _ in range(500)]  # type: ignore[union-attr]
            process.send_signal(number)
            rest = process.stdout.read()  # type: ignore[union-attr]
        stored = len(said) + rest.count("\n")
        in_run, in_index = rows_of(store, RUNS[0]), rows_of(store, "index")
        events = told_of(in_run)
        assert len(events) > 2
        assert events == of_weeks(stored + 1)[: len(events)]
        # A kill between the two commits leaves the last batch in the run's file alone.
        assert told_of(in_index) == events[: len(in_index)]
        if number is signal.SIGINT:
            assert len(in_run) >= EVENTS_A_WEEK * stored
        for name in ("index", RUNS[0]):
            with closing(database(store, name)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        log = DagsterSqliteStorage(str(store)).event_log_storage
        assert len(log.get_logs_for_run(RUNS[0])) == len(in_run)
        found = log.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey("table"), CHECK), limit=100_000
        )
        assert len(found) == len(in_index) // 2

    def test_a_killed_one_loses_no_more_than_what_waited(self, store: Path) -> None:
        with storing(store, RUNS[0], 20, "--wait") as process:
            for _ in range(20):
                process.stdout.readline()  # type: ignore[union-attr]
            until(lambda: len(rows_of(store, RUNS[0])) == 20 * EVENTS_A_WEEK)
            process.kill()

    def test_a_reader_with_a_cursor_misses_nothing_of_two_that_write_at_once(
        self, store: Path
    ) -> None:
        weeks, cursor = 80, None
        seen: list[dg.EventLogRecord] = []
        log = DagsterSqliteStorage(str(store)).event_log_storage
        with (
            storing(store, RUNS[0], weeks, "--pause", "0.005") as first,
            storing(store, RUNS[1], weeks, "--pause", "0.005") as second,
        ):
            running = True
            while running:
                running = first.poll() is None or second.poll() is None
                found = log.fetch_materializations(
                    dg.AssetKey("table"), limit=1_000, cursor=cursor, ascending=True
                )
                seen += found.records
                cursor = found.cursor
            assert (first.returncode, second.returncode) == (0, 0)
        for run_id in RUNS:
            partitions = [record.partition_key for record in seen if record.run_id == run_id]
            assert partitions == [week(number) for number in range(weeks)]
        assert len({record.storage_id for record in seen}) == 2 * weeks


class TestFaults:
    """A database that cannot be written fails whoever stores, and nothing is lost in silence."""

    def test_a_full_disk_is_told_and_what_waited_is_written_when_there_is_room(
        self, store: Path
    ) -> None:
        log = log_at(store)
        size = (store / HISTORY / "index.db").stat().st_size
        with files_limited_to(size // 4):
            log.store_event(a_week(RUNS[0], 0)[0])
            until(lambda: fails(lambda: log.store_event(a_week(RUNS[0], 1)[0])))
            assert fails(lambda: log.get_logs_for_run(RUNS[0]))
            assert fails(log.dispose)
            step = entry(RUNS[0], 1.0, event(DagsterEventType.STEP_START))
            assert fails(lambda: log.store_event(step))
        log.store_event(a_week(RUNS[0], 2)[0])
        log.dispose()
        partitions = [row["partition"] for row in rows_of(store, "index")]
        assert (partitions[0], partitions[-1]) == (week(0), week(2))
        assert partitions == [row["partition"] for row in rows_of(store, RUNS[0])]

    def test_a_run_whose_history_cannot_be_written_does_not_succeed(self, tmp_path: Path) -> None:
        @dg.op
        def talk(context: dg.OpExecutionContext) -> None:
            with files_limited_to(1_000):
                for number in range(10_000):
                    context.log_event(dg.AssetMaterialization("table", partition=str(number)))

        @dg.job
        def talking() -> None:
            talk()

        with instance(tmp_path, OURS) as made:
            done = talking.execute_in_process(instance=made, raise_on_error=False)
            assert not done.success

    def test_a_database_that_another_holds_is_waited_for(self, store: Path) -> None:
        log = log_at(store)
        with closing(database(store, "index")) as other:
            other.isolation_level = None
            other.execute("BEGIN IMMEDIATE")
            log.store_event(a_week(RUNS[0], 0)[0])
            writing = threading.Thread(target=log.get_logs_for_run, args=(RUNS[0],))
            writing.start()
            time.sleep(1)
            assert writing.is_alive()
            other.execute("COMMIT")
            writing.join(_SECONDS)
        assert len(rows_of(store, "index")) == 1

    def test_a_database_that_another_holds_for_too_long_is_told(
        self, store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dagster_storage, "SQLITE_BUSY_TIMEOUT_SECONDS", 0.1)
        log = log_at(store)
        with closing(database(store, "index")) as other:
            other.isolation_level = None
            other.execute("BEGIN IMMEDIATE")
            log.store_event(a_week(RUNS[0], 0)[0])
            with pytest.raises(DBAPIError, match="database is locked"):
                log.get_logs_for_run(RUNS[0])
            assert rows_of(store, RUNS[0]) == []  # nor in the run's own file
            other.execute("COMMIT")
        assert len(log.get_logs_for_run(RUNS[0])) == 1
        assert len(rows_of(store, "index")) == 1

    def test_an_index_that_fails_after_the_run_was_written_is_made_up_for(
        self, store: Path
    ) -> None:
        log = log_at(store)
        engine = dagster_storage._engine(log.conn_string_for_shard("index"))  # type: ignore[attr-defined]

        def no_room(_: object) -> None:
            raise OperationalError("COMMIT", None, sqlite3.OperationalError("disk is full"))

        sqlalchemy.event.listen(engine, "commit", no_room)
        log.store_event(a_week(RUNS[0], 0)[0])
        assert fails(log.dispose)
        assert fails(
            lambda: log.store_event(entry(RUNS[0], 1.0, event(DagsterEventType.RUN_START)))
        )
        assert (len(rows_of(store, RUNS[0])), len(rows_of(store, "index"))) == (1, 0)
        sqlalchemy.event.remove(engine, "commit", no_room)
        for made in a_week(RUNS[0], 0)[1:]:
            log.store_event(made)
        log.dispose()
        assert told_of(rows_of(store, RUNS[0])) == of_weeks(1)
        assert told_of(rows_of(store, "index")) == of_weeks(1)


def fails(work: Callable[[], object]) -> bool:
    try:
        work()
    except DBAPIError:
        return True
    return False


@contextmanager
def storing(base: Path, run_id: str, weeks: int, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A process that stores weeks."""
    command = [
        sys.executable,
        "-m",
        "spine_assets_tests.support.storing",
        str(base),
        run_id,
        str(weeks),
    ]
    process = subprocess.Popen(
        [*command, *more], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
