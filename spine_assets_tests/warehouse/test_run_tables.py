"""The log of runs and steps: what it tells of every kind of run, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from spine_assets.cli import main
from spine_assets.core.tables import Type
from spine_assets.dev.local_cluster import postgres
from spine_assets.orchestration.history import open_instance, run_log_frames
from spine_assets.orchestration.history.run_rows import MOST_CHARS, STATUSES, RunRows, read_runs
from spine_assets.orchestration.history.step_rows import missing
from spine_assets.warehouse import run_tables
from spine_assets.warehouse.core_tables import CORE_TABLES
from spine_assets.warehouse.run_tables import LOG_TABLES, RUNS, STEPS, LogTable, RunLog
from spine_assets_tests.conftest import in_memory
from spine_assets_tests.support import logged_runs
from spine_assets_tests.support.examples import examples
from spine_assets_tests.support.logged_runs import PLACE, Made
from spine_assets_tests.support.projects import SOURCE

Row = dict[str, Any]
MARKET_SPINE_COLUMNS = {
    RUNS.name: (
        *("pipeline_logging_id", "tenant_id", "pipeline_id", "start_time", "end_time", "status"),
        *("trigger_by", "run_date", "total_steps", "completed_steps", "failed_steps"),
        *("error_message", "metadata"),
    ),
    STEPS.name: (
        *("log_id", "pipeline_logging_id", "step_id", "step_name", "start_time", "end_time"),
        *("status", "rows_processed", "error_message", "step_result", "execution_metadata"),
    ),
}
"""The columns of Market Spine's tables."""
QUERY_SECONDS = 120  # a command takes about 3; a machine under load some times that


@contextmanager
def stored_in(root: Path, storage: str) -> Iterator[Made]:
    """A folder whose Dagster remembers runs of every kind; the working folder meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for name in ("DAGSTER_HOME", "SPINE_DATA_DIR", "SPINE_LAKE", "SPINE_DATABASE_PATH"):
            patch.delenv(name, raising=False)
        (root / "dagster.yaml").write_text(storage)
        (root / "data").mkdir()
        with open_instance(root) as instance:
            yield logged_runs.make(instance)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.long)])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Made]:
    """Runs of every kind, in each storage."""
    root = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        with stored_in(root, (SOURCE / "dagster.yaml").read_text()) as runs:
            yield runs
        return
    if reason := postgres.missing():
        pytest.skip(reason)
    with postgres.running() as server:
        url = server.database("dagster")
        with stored_in(root, f"storage:\n  postgres:\n    postgres_url: {url}\n") as runs:
            yield runs


@pytest.fixture(scope="module")
def log(made: Made) -> RunLog:
    return run_log_frames.read(made.instance)


def run_of(made: Made, log: RunLog, name: str) -> Row:
    """The row of a run, its JSON read."""
    (row,) = log.runs.filter(pipeline_logging_id=made.ids[name]).to_dicts()
    return row | {"metadata": json.loads(row["metadata"])}


def steps_of(made: Made, log: RunLog, name: str) -> dict[str, Row]:
    """Rows of a run's steps by step, in their order, their JSON read."""
    rows = log.steps.filter(pipeline_logging_id=made.ids[name]).to_dicts()
    return {row["step_id"]: row | {"facts": json.loads(row["execution_metadata"])} for row in rows}


def statuses(made: Made, log: RunLog, name: str) -> dict[str, str]:
    return {step: row["status"] for step, row in steps_of(made, log, name).items()}


def counts(row: Row) -> tuple[int | None, int, int]:
    return row["total_steps"], row["completed_steps"], row["failed_steps"]


class TestRuns:
    def test_each_run_is_told_once_and_the_newest_first(self, made: Made, log: RunLog) -> None:
        assert log.runs["pipeline_logging_id"].to_list() == list(made.ids.values())[::-1]
        assert log.left_out == 0

    def test_tags_tell_pipeline_tenant_trigger_and_date(self, made: Made, log: RunLog) -> None:
        row = run_of(made, log, "good")
        assert (row["pipeline_id"], row["tenant_id"]) == ("acme-good", "acme")
        assert (row["trigger_by"], row["run_date"]) == ("cli", date(2025, 11, 21))
        assert row["metadata"]["tags"] == {"team": "ops"}
        assert row["metadata"]["config"] == {"loggers": {}}
        assert (row["status"], row["error_message"]) == ("SUCCESS", None)

    def test_without_tags_dagster_tells_who_started_it_and_when(
        self, made: Made, log: RunLog
    ) -> None:
        row = run_of(made, log, "bad")
        created = datetime.fromisoformat(row["metadata"]["created"])
        assert row["trigger_by"] == "schedule nightly"
        assert row["run_date"] == created.astimezone(UTC).date()  # "soon" is no date
        assert run_of(made, log, "plain")["tenant_id"] is None

    @pytest.mark.parametrize(
        ("name", "pipeline"),
        [("plain", "plain"), ("weekly", "weekly"), ("assets", "symbols, venues")],
    )
    def test_without_a_pipeline_a_run_has_its_jobs_name_or_its_assets(
        self, made: Made, log: RunLog, name: str, pipeline: str
    ) -> None:
        assert run_of(made, log, name)["pipeline_id"] == pipeline

    @pytest.mark.parametrize(
        ("name", "status", "expected"),
        [
            ("good", "SUCCESS", (2, 1, 0)),
            ("bad", "FAILED", (3, 1, 1)),
            ("again", "SUCCESS", (1, 1, 0)),
            ("dynamic", "SUCCESS", (5, 4, 0)),
            ("part", "SUCCESS", (1, 1, 0)),
            ("weekly", "SUCCESS", (1, 1, 0)),
            ("queued", "PENDING", (2, 0, 0)),
            ("not_started", "PENDING", (2, 0, 0)),
            ("retry", "CANCELED", (2, 0, 0)),
            ("killed", "FAILED", (2, 0, 1)),
            ("elsewhere", "RUNNING", (None, 0, 0)),
        ],
    )
    def test_status_and_steps_are_counted(
        self, made: Made, log: RunLog, name: str, status: str, expected: tuple[int | None, int, int]
    ) -> None:
        row = run_of(made, log, name)
        assert (row["status"], counts(row)) == (status, expected)

    def test_times_are_utc_and_only_of_what_happened(self, made: Made, log: RunLog) -> None:
        ran = run_of(made, log, "good")
        now = datetime.now(UTC).replace(tzinfo=None)
        assert now - timedelta(hours=1) < ran["start_time"] < ran["end_time"] < now
        waits = run_of(made, log, "queued")
        assert (waits["start_time"], waits["end_time"]) == (None, None)

    def test_a_retry_and_another_code_location_are_named(self, made: Made, log: RunLog) -> None:
        facts = run_of(made, log, "retry")["metadata"]
        assert facts["retry_of"] == made.ids["bad"]
        assert facts["code_location"] == PLACE
        assert facts["dagster_status"] == "CANCELED"

    def test_a_huge_error_is_cut_and_says_so(self, made: Made, log: RunLog) -> None:
        said = run_of(made, log, "plain")["error_message"]
        assert len(said) == MOST_CHARS
        assert said.startswith("ValueError: xxx")
        told = logged_runs.HUGE + len("ValueError: ")
        assert said.endswith(
            f"(cut: {told:,} characters; spine runs show {made.ids['plain']} shows the run's)"
        )

    def test_a_killed_run_says_what_dagster_says(self, made: Made, log: RunLog) -> None:
        assert "the process is gone" in run_of(made, log, "killed")["error_message"]

    def test_a_run_under_way_has_a_step_under_way(self, made: Made) -> None:
        (midst,) = made.midst
        row = run_of(made, midst, "watched")
        assert (row["status"], row["end_time"], counts(row)) == ("RUNNING", None, (1, 0, 0))
        (step,) = steps_of(made, midst, "watched").values()
        assert (step["status"], step["end_time"]) == ("RUNNING", None)
        assert step["facts"]["seconds"] is None

    def test_every_status_of_dagster_has_one_here(self) -> None:
        assert set(STATUSES) == set(dg.DagsterRunStatus)
        (column,) = (column for column in RUNS.columns if column.name == "status")
        assert set(STATUSES.values()) == set(column.isin or ())


class TestSteps:
    def test_a_step_says_what_came_of_it(self, made: Made, log: RunLog) -> None:
        steps = steps_of(made, log, "good")
        assert statuses(made, log, "good") == {"extract": "SUCCESS", "guarded": "SKIPPED"}
        row = steps["extract"]
        assert row["log_id"] == f"{made.ids['good']}.extract"
        assert (row["step_name"], row["rows_processed"]) == ("Extract it", 5)
        assert json.loads(row["step_result"]) == {"file": "a.csv"}
        assert row["facts"]["tenant_id"] == "acme"
        assert steps["guarded"]["facts"]["reason"] == "its condition does not hold"
        assert steps["guarded"]["error_message"] is None

    def test_a_failed_step_says_why_and_what_comes_after_is_skipped(
        self, made: Made, log: RunLog
    ) -> None:
        steps = steps_of(made, log, "bad")
        assert statuses(made, log, "bad") == {
            "extract": "SUCCESS",
            "load": "FAILED",
            "publish": "SKIPPED",
        }
        assert (steps["load"]["error_message"], steps["load"]["rows_processed"]) == (
            "no such table",
            2,
        )
        assert steps["load"]["facts"]["attempts"] == 3
        assert (steps["publish"]["start_time"], steps["publish"]["facts"]["attempts"]) == (None, 0)

    def test_a_retried_step_is_one_row_from_its_first_start(self, made: Made, log: RunLog) -> None:
        (step,) = steps_of(made, log, "again").values()
        assert (step["status"], step["error_message"]) == ("SUCCESS", None)
        assert step["facts"]["attempts"] == 2
        took = (step["end_time"] - step["start_time"]).total_seconds()
        assert step["facts"]["seconds"] == pytest.approx(took, abs=0.002)

    def test_what_json_has_no_word_for_is_null(self, made: Made, log: RunLog) -> None:
        (step,) = steps_of(made, log, "again").values()
        assert json.loads(step["step_result"]) == [1, None, {"of": None}]

    def test_dynamic_steps_are_told_and_one_that_was_never_made_is_skipped(
        self, made: Made, log: RunLog
    ) -> None:
        found = statuses(made, log, "dynamic")
        assert found == dict.fromkeys(
            ("parts", "no_parts", "double[a]", "double[b]"), "SUCCESS"
        ) | {"never[?]": "SKIPPED"}
        assert steps_of(made, log, "dynamic")["double[a]"]["step_name"] == "double"

    def test_a_run_of_some_steps_tells_of_these(self, made: Made, log: RunLog) -> None:
        assert statuses(made, log, "part") == {"extract": "SUCCESS"}

    def test_materialized_rows_are_counted_once_a_partition(self, made: Made, log: RunLog) -> None:
        (weekly,) = steps_of(made, log, "weekly").values()
        assert weekly["rows_processed"] == 2 * (3 + 4)
        told = {"assets": ["symbols", "venues"], "partitions": 2}
        assert json.loads(weekly["step_result"]) == told
        assert weekly["facts"]["weeks"] == {"first": "2025-11-14", "last": "2025-11-21"}
        (one,) = steps_of(made, log, "assets").values()
        assert (one["rows_processed"], one["facts"]["partition"]) == (2 * 3, "2025-11-14")

    def test_a_step_whose_process_was_killed_failed_when_its_run_did(
        self, made: Made, log: RunLog
    ) -> None:
        run, steps = run_of(made, log, "killed"), steps_of(made, log, "killed")
        assert statuses(made, log, "killed") == {"extract": "FAILED", "guarded": "SKIPPED"}
        assert steps["extract"]["end_time"] == run["end_time"]
        assert steps["extract"]["error_message"] == "its run ended while it was running"

    @pytest.mark.parametrize("name", ["queued", "not_started", "elsewhere"])
    def test_what_waits_or_has_no_plan_has_no_steps(
        self, made: Made, log: RunLog, name: str
    ) -> None:
        assert steps_of(made, log, name) == {}

    def test_a_plan_step_is_missing_unless_it_or_what_it_became_was_seen(self) -> None:
        plan = ["a", "b", "double[?]", "never[?]", "doubled[?]"]
        assert missing(plan, ["a", "double[x]"]) == ["b", "never[?]", "doubled[?]"]


class TestReading:
    def test_only_the_newest_are_read_and_the_rest_is_counted(
        self, made: Made, log: RunLog
    ) -> None:
        newest = run_log_frames.read(made.instance, limit=3)
        assert newest.runs.equals(log.runs.head(3))
        assert newest.left_out == len(made.ids) - 3
        assert run_log_frames.read(made.instance, limit=len(made.ids)).left_out == 0

    def test_since_a_time(self, made: Made, log: RunLog) -> None:
        third = json.loads(log.runs["metadata"][2])["created"]
        since = datetime.fromisoformat(third)
        assert run_log_frames.read(made.instance, since=since).runs.height == 2
        assert run_log_frames.read(made.instance, since=since, limit=1).left_out == 1

    def test_pages_are_all_of_it(
        self, made: Made, log: RunLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(run_log_frames, "PAGE", 4)
        pages = list(run_log_frames.pages(made.instance))
        assert [page.runs.height for page in pages] == [4, 4, 4, 2]
        assert sum(page.steps.height for page in pages) == log.steps.height

    def test_runs_alone_are_the_same(self, made: Made, log: RunLog) -> None:
        alone = run_log_frames.read(made.instance, tables=[RUNS])
        assert [*alone.frames] == [RUNS.name]
        assert alone.runs.equals(log.runs)

    def test_a_run_that_is_deleted_meanwhile_is_left_out(self, made: Made) -> None:
        gone = logged_runs.good.execute_in_process(instance=made.instance).run_id
        records = made.instance.get_run_records(limit=2)
        made.instance.delete_run(gone)
        told = [run.row["pipeline_logging_id"] for run in read_runs(made.instance, records)]
        assert told == [records[1].dagster_run.run_id]
        made.instance.delete_run(gone)  # SQLite made a file for its events again


class TestInDuckDB:
    @pytest.mark.parametrize("table", LOG_TABLES, ids=lambda table: table.name)
    def test_the_columns_are_market_spines(self, table: LogTable) -> None:
        assert tuple(column.name for column in table.columns) == MARKET_SPINE_COLUMNS[table.name]

    def test_types_and_comments_are_declared_also_where_there_is_no_run(
        self, tmp_path: Path, made: Made, log: RunLog
    ) -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            empty = run_log_frames.read(instance)
        types = {}
        for name, rows in (("empty", empty), ("full", log)):
            with in_memory() as connection:
                run_tables.create(connection, LOG_TABLES)
                run_tables.append(connection, rows)
                types[name] = connection.sql(
                    "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
                    "WHERE starts_with(table_name, 'x_meta') ORDER BY ALL"
                ).fetchall()
        assert types["empty"] == types["full"]
        declared = {
            (table.name, column.name, column.type.value)
            for table in LOG_TABLES
            for column in table.columns
        }
        assert {tuple(row[:3]) for row in types["full"]} == declared
        assert all(row[3] for row in types["full"])

    @settings(max_examples=examples(25), deadline=None)  # a database each
    @given(said=st.text(st.characters()))
    def test_whatever_a_step_says_can_be_read(self, said: str) -> None:
        empty: Row = {column.name: None for column in STEPS.columns}
        texts = {c.name: said for c in STEPS.columns if c.type is Type.TEXT}
        step = empty | texts | {"step_result": {"said": said}, "execution_metadata": {}}
        with in_memory() as connection:
            run_tables.create(connection, [STEPS])
            run_tables.append(
                connection, RunLog(run_log_frames.frames([RunRows({}, [step])], [STEPS]))
            )
            ((error, told),) = connection.sql(
                "SELECT error_message, step_result ->> 'said' FROM x_meta_step_logs"
            ).fetchall()
        assert error == told

    @pytest.mark.parametrize(
        ("sql", "named"),
        [
            ("FROM otc_raw", ()),
            ('SELECT * FROM "X_Meta_Step_Logs"', (STEPS,)),
            (
                "FROM x_meta_pipeline_runs JOIN x_meta_step_logs USING (pipeline_logging_id)",
                LOG_TABLES,
            ),
        ],
    )
    def test_a_query_names_what_it_reads(self, sql: str, named: tuple[LogTable, ...]) -> None:
        assert run_tables.named_in(sql) == named


class TestCommands:
    def ask(self, *words: str) -> Result:
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.output
        return done

    def test_a_query_joins_runs_with_their_steps(self, made: Made) -> None:
        sql = (
            "SELECT r.pipeline_id, s.step_id, s.execution_metadata ->> 'attempts' AS attempts "
            "FROM x_meta_pipeline_runs AS r JOIN x_meta_step_logs AS s USING (pipeline_logging_id) "
            "WHERE s.status = 'FAILED' AND r.tenant_id = 'acme'"
        )
        done = self.ask("query", sql, "--json")
        assert json.loads(done.stdout) == [
            {"pipeline_id": "acme-bad", "step_id": "load", "attempts": "3"}
        ]
        assert done.stderr == ""

    def test_what_is_older_is_said_and_can_be_had(self, made: Made) -> None:
        sql, all_of_them = "SELECT count(*) AS runs FROM x_meta_pipeline_runs", len(made.ids)
        done = self.ask("query", sql, "--runs", "5", "--json")
        assert json.loads(done.stdout) == [{"runs": 5}]
        assert f"the newest 5 of {all_of_them} runs; --runs {all_of_them} " in done.stderr
        done = self.ask("query", sql, "--runs", str(all_of_them), "--json")
        assert (json.loads(done.stdout), done.stderr) == ([{"runs": all_of_them}], "")

    def test_rows_go_to_a_parquet_file(self, made: Made, tmp_path: Path) -> None:
        file = tmp_path / "steps.parquet"
        self.ask("query", "FROM x_meta_step_logs", "--parquet", str(file))
        ((rows,),) = duckdb.connect(":memory:").read_parquet(str(file)).count("*").fetchall()
        assert rows == run_log_frames.read(made.instance).steps.height

    def test_a_file_of_tables_has_all_runs(self, made: Made, tmp_path: Path) -> None:
        file = tmp_path / "all.duckdb"
        told = json.loads(self.ask("db", "build", str(file), "--json").stdout)
        log = run_log_frames.read(made.instance)
        # This history has no asset of ours, so manifest and anomalies have no rows.
        core = {table.name: 0 for table in CORE_TABLES}
        assert told["run_log"] == {
            RUNS.name: log.runs.height,
            STEPS.name: log.steps.height,
            **core,
        }
        with duckdb.connect(str(file), read_only=True) as connection:
            rows = connection.sql(
                "SELECT pipeline_logging_id, status FROM x_meta_pipeline_runs"
            ).fetchall()
            ((comment,),) = connection.sql(
                "SELECT comment FROM duckdb_tables() WHERE table_name = 'x_meta_step_logs'"
            ).fetchall()
        assert rows == log.runs.select("pipeline_logging_id", "status").rows()
        assert comment == STEPS.grain
        self.ask("db", "build", str(file), "--json")  # replaces it

    def test_chosen_tables_are_without_the_log(self, made: Made, tmp_path: Path) -> None:
        words = ("db", "build", str(tmp_path / "one.duckdb"), "--table", "otc_raw", "--json")
        assert json.loads(self.ask(*words).stdout)["run_log"] == {}

    def test_runs_with_steps_have_all_columns(self, made: Made, log: RunLog) -> None:
        told = json.loads(self.ask("runs", "--steps", "--tenant", "acme", "--json").stdout)
        assert [run["pipeline_logging_id"] for run in told] == [
            made.ids[name] for name in ("part", "bad", "good")
        ]
        for run in told:
            assert tuple(run) == (*MARKET_SPINE_COLUMNS[RUNS.name], "steps")
            assert [tuple(step) for step in run["steps"]] == [
                MARKET_SPINE_COLUMNS[STEPS.name] for _ in run["steps"]
            ]
        assert told[1]["steps"][1]["error_message"] == "no such table"
        assert told[1]["run_date"] == str(run_of(made, log, "bad")["run_date"])
        started = datetime.fromisoformat(told[1]["start_time"])
        assert started == run_of(made, log, "bad")["start_time"].replace(tzinfo=UTC)

    def test_steps_go_with_the_other_choices(self, made: Made) -> None:
        words = ("runs", "--steps", "--json")
        for more, names in (
            (("--limit", "1"), ["elsewhere"]),
            (("--pipeline", "acme-bad"), ["bad"]),
            (("--status", "canceled"), ["retry"]),
            (("--week", "2025-11-14"), ["assets", "weekly"]),
            (("--tenant", "other"), ["killed"]),
            (("--tenant", "nobody"), []),
        ):
            told = json.loads(self.ask(*words, *more).stdout)
            assert [run["pipeline_logging_id"] for run in told] == [made.ids[n] for n in names], (
                more
            )

    def test_runs_with_steps_are_a_table_for_people(self, made: Made) -> None:
        said = self.ask("runs", "--steps", "--tenant", "acme").output
        lines = [line.split() for line in said.splitlines()]
        (load,) = (line for line in lines if line[:1] == ["load"])
        assert (load[:3], load[4:]) == (["load", "FAILED", "2"], ["no", "such", "table"])
        assert any(line[:3] == [made.ids["bad"][:8], "acme-bad", "acme"] for line in lines)
        assert "its condition does not hold" in said
        assert self.ask("runs", "--steps", "--tenant", "x").output.startswith("no such run: ")

    def test_one_run_tells_its_steps_where_it_has_several(self, made: Made) -> None:
        said = self.ask("runs", "show", made.ids["bad"], "--logs", "0").output
        assert "publish" in said
        assert "publish" not in self.ask("runs", "show", made.ids["part"], "--logs", "0").output
        told = json.loads(self.ask("runs", "show", made.ids["bad"], "--json").stdout)
        assert [step["status"] for step in told["steps"]] == ["SUCCESS", "FAILED", "SKIPPED"]

    @pytest.mark.long
    def test_the_shell_asks_it_too(self, made: Made) -> None:
        code = "print(sql('SELECT count(*) AS n FROM x_meta_pipeline_runs')['n'][0])"
        assert spine("shell", "-c", code) == (0, f"{len(made.ids)}\n", "")


def test_other_queries_do_not_import_dagster(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").touch()
    (tmp_path / "data").mkdir()
    code = (
        "import sys; from click.testing import CliRunner; from spine_assets.cli import main\n"
        "done = CliRunner().invoke(main, ['query', 'SELECT count(*) FROM otc_raw'])\n"
        "print(done.exit_code, 'dagster' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "0 False\n"


def test_without_dagster_a_query_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    done = CliRunner().invoke(main, ["query", "FROM x_meta_step_logs"])
    assert done.exit_code == 1
    assert "no dagster.yaml" in done.output
    done = CliRunner().invoke(main, ["db", "build", "file.duckdb"])
    assert done.exit_code == 0
    assert "what Dagster recorded is left out: there is no dagster.yaml" in done.output


def spine(*words: str) -> tuple[int, str, str]:
    """A command as a process: exit code and both streams."""
    program = str(Path(sys.executable).with_name("spine"))
    done = subprocess.run(
        [program, *words], capture_output=True, text=True, check=False, timeout=QUERY_SECONDS
    )
    return done.returncode, done.stdout, done.stderr
