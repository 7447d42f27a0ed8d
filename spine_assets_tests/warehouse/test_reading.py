"""No query writes: forty ways out, each tried on a real lake, and what must stay possible."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from spine_assets.cli import main
from spine_assets.warehouse.reading import problem_of
from spine_assets_tests.conftest import House, delivered, line
from spine_assets_tests.support import storages

READS = (
    "FROM otc_raw",
    "SELECT 1;",
    "VALUES (1)",
    "EXPLAIN SELECT 1",
    "explain analyze select 1",
    "EXPLAIN (FORMAT json) FROM otc_raw",
    "DESCRIBE otc_raw",
    "SUMMARIZE otc_symbol_summary",
    "SHOW TABLES",
    "WITH a AS (FROM otc_raw) FROM a UNION ALL FROM a",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) FROM r",
    "FROM otc_venue_trend_in('2025-11-21', '2025-11-21')",
    "FROM (PIVOT otc_raw ON tier IN ('OTC') USING sum(share_volume))",
    "FROM range(3), unnest([1, 2]) AS u",
    "FROM duckdb_views() SELECT view_name",
    "SELECT count(*) FROM read_csv('own.csv')",
    "FROM 'own.csv'",
)
WRITE = (
    "COPY (SELECT 1) TO '{out}'",
    "COPY otc_raw TO '{out}' (FORMAT parquet)",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}'",
    "explain  analyze\tcopy (SELECT 1) TO '{out}'",
    "EXPLAIN (ANALYZE) COPY (SELECT 1) TO '{out}'",
    "EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1) TO '{out}'",
    "EXPLAIN /* ANALYZE */ ANALYZE COPY (SELECT 1) TO '{out}'",
    "/* a */ EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}'",
    "-- a\nEXPLAIN ANALYZE COPY (SELECT 1) TO '{out}'",
    "EXPLAIN COPY (SELECT 1) TO '{out}'",
    "EXPLAIN ANALYZE CREATE TABLE mine AS SELECT 1",
    "EXPLAIN ANALYZE EXECUTE kept",
    "WITH x AS (COPY (SELECT 1) TO '{out}') FROM x",
    "WITH x AS MATERIALIZED (COPY otc_raw TO '{out}') SELECT 1",
    "SELECT (WITH x AS (COPY (SELECT 1) TO '{out}') SELECT count(*) FROM x)",
    "EXPLAIN ANALYZE WITH x AS (COPY (SELECT 1) TO '{out}') FROM x",
    "WITH x AS (INSERT INTO otc_raw VALUES (1) RETURNING *) FROM x",
    "WITH x AS (DELETE FROM otc_raw RETURNING *) FROM x",
    "WITH x AS (UPDATE otc_raw SET tier = '' RETURNING *) FROM x",
    "FROM query('WITH x AS (COPY (SELECT 1) TO ''{out}'') FROM x')",
    "FROM query('SELECT 1')",
    "FROM query_table('otc_raw')",
    "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY (SELECT 1) TO '{out}'",
    "ATTACH '{out}'",
    "ATTACH '{out}' AS other; CREATE TABLE other.a AS SELECT 1",
    "EXPORT DATABASE '{out}'",
    "IMPORT DATABASE '{out}'",
    "FROM import_database('{out}')",
    "FROM read_duckdb('{out}')",
    "CREATE TABLE mine AS SELECT 1",
    "CREATE OR REPLACE VIEW otc_raw AS SELECT 1",
    "DROP VIEW otc_raw",
    "INSERT INTO otc_raw VALUES (1)",
    "INSTALL httpfs",
    "LOAD '{out}'",
    "SET memory_limit = '1TB'",
    "SET GLOBAL autoload_known_extensions = true",
    "RESET enable_external_access",
    "PRAGMA enable_profiling",
    "PRAGMA profiling_output = '{out}'",
    "CALL enable_logging(storage = 'file', storage_path = '{out}')",
    "FROM enable_logging(storage = 'file', storage_path = '{out}')",
    "SELECT (SELECT count(*) FROM enable_profiling(save_location = '{out}'))",
    "FROM force_checkpoint()",
    "PREPARE kept AS COPY (SELECT 1) TO '{out}'",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN",
    "USE memory",
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A project with one week."""
    for name in ("SPINE_DATA_DIR", "SPINE_LAKE", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    storages.lay_out(tmp_path)
    made = House(tmp_path / "data")
    made.drop("otc.csv", delivered(line("AAAA")))
    made.built()
    (tmp_path / "own.csv").write_text("a\n1\n")
    return made


def files(root: Path) -> dict[str, bytes]:
    """What is in a folder, without locks and logs."""
    paths = (path for path in root.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def ask(sql: str) -> Result:
    return CliRunner().invoke(main, ["query", sql, "--json"])


def test_what_reads_is_answered(project: House) -> None:
    refused = {sql: done.output for sql in READS if (done := ask(sql)).exit_code}
    assert refused == {}


def test_no_way_out_of_a_query_writes(project: House, tmp_path: Path) -> None:
    assert ask("SELECT 1").exit_code == 0
    before = files(tmp_path)
    out = project.lake.root / "otc_raw" / "out"
    answered = [sql for sql in WRITE if ask(sql.format(out=out)).exit_code == 0]
    assert answered == []
    assert files(tmp_path) == before


@pytest.mark.parametrize("sql", WRITE)
def test_what_may_write_is_told_from_the_text_alone(sql: str) -> None:
    try:
        problem = problem_of(sql.format(out="out"))
    except duckdb.Error:
        return  # no SQL
    assert problem is not None
    assert problem.startswith("give one statement that only reads")


def test_a_query_fetches_no_extension(project: House) -> None:
    done = ask("FROM 'https://127.0.0.1:9/a.parquet'")
    assert done.exit_code == 1
    assert "httpfs" in done.stderr


def test_more_rows_than_memory_should_hold_are_not_printed(project: House) -> None:
    refused = ask("FROM range(2_000_001)")
    assert refused.exit_code == 1
    assert "more than 2,000,000 rows are not printed" in refused.output
    assert "--parquet FILE" in refused.output


def test_a_query_stays_below_the_memory_limit(
    project: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_MEMORY_LIMIT", "100MB")
    refused = ask("SELECT string_agg(a::VARCHAR, '') FROM range(100_000_000) AS t(a)")
    assert refused.exit_code == 1
    assert "more memory than SPINE_MEMORY_LIMIT allows (100.0MB)" in refused.output
    monkeypatch.setenv("SPINE_MEMORY_LIMIT", "150MB")
    numbered = "SELECT row_number() OVER (ORDER BY hash(a)) AS r FROM range(15_000_000) AS t(a)"
    spilled = ask(f"SELECT max(r) AS r FROM ({numbered})")
    assert json.loads(spilled.output) == [{"r": 15_000_000}]
    assert not Path(".tmp").exists()
