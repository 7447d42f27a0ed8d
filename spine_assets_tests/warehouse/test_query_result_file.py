"""Answers as Parquet files: exact, whole or not there, and the same as JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pytest
from click.testing import CliRunner, Result

from spine_assets.cli import main
from spine_assets.warehouse.query_result_file import write_answer
from spine_assets_tests.conftest import House, delivered, files_limited_to, in_memory, line


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one week of three rows built."""
    monkeypatch.chdir(tmp_path)
    for name in ("SPINE_DATA_DIR", "SPINE_LAKE", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    house = House(tmp_path / "data")
    lines = (line("AAAA"), line("AAAA", "OTCN", "12.5"), line("BBBB"))
    house.drop("otc.csv", delivered(*lines))
    house.built()
    return tmp_path


def query(*words: str) -> Result:
    return CliRunner().invoke(main, ["query", *words])


def test_json_csv_and_parquet_agree(root: Path) -> None:
    sql = (
        "SELECT symbol, sum(share_volume) AS shares, "
        "sum(trade_count) + 9007199254740989 AS trades, "
        "max(week_ending) AS week, count(*) > 1 AS many FROM otc_raw GROUP BY 1 ORDER BY 1"
    )
    told = json.loads(query(sql, "--json").stdout)
    rows = list(csv.DictReader(io.StringIO(query(sql, "--csv").stdout)))
    done = query(sql, "--parquet", "out/answer.parquet", "--json")
    assert json.loads(done.stdout) == {
        "file": "out/answer.parquet",
        "rows": 2,
        "synthetic": False,
    }
    frame = pl.read_parquet("out/answer.parquet")
    assert frame.schema == {
        "symbol": pl.String(),
        "shares": pl.Decimal(38, 6),
        "trades": pl.Decimal(38, 0),
        "week": pl.Date(),
        "many": pl.Boolean(),
    }
    for row, as_json, as_csv in zip(frame.iter_rows(named=True), told, rows, strict=True):
        for name, value in row.items():
            shown = json.dumps(value) if isinstance(value, bool) else str(as_json[name])
            assert as_csv[name] == shown
        assert row["shares"] == Decimal(str(as_json["shares"]))
        assert row["trades"] == as_json["trades"]
        assert str(row["week"]) == as_json["week"]
        assert row["many"] is as_json["many"]
    assert frame["shares"].to_list() == [Decimal("112.5"), Decimal(100)]
    # A DOUBLE would end in 2.
    assert frame["trades"].to_list() == [9007199254740993, 9007199254740991]


def test_people_are_told_on_standard_error_how_much_was_written(root: Path) -> None:
    done = query("FROM otc_raw", "--parquet", "a [1].parquet")
    assert (done.stdout, done.stderr) == ("", "wrote 3 rows to a [1].parquet\n")
    assert pl.read_parquet("a [1].parquet", glob=False).height == 3


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ';' AS ü; -- ;",
        "FROM (VALUES (';')) AS t(ü) ;; /* ; */",
        "SELECT ';' AS ü -- x",
        "SELECT ';' AS ü; /* x */ ; -- x",
    ],
)
def test_what_stands_at_the_end_of_a_statement_does_not_matter(tmp_path: Path, sql: str) -> None:
    with in_memory() as connection:
        assert write_answer(connection, sql, tmp_path / "a.parquet") == 1
    assert pl.read_parquet(tmp_path / "a.parquet").to_dicts() == [{"ü": ";"}]


def test_an_answer_without_rows_has_its_columns(tmp_path: Path) -> None:
    with in_memory() as connection:
        sql = "SELECT 1::HUGEINT AS n WHERE false"
        assert write_answer(connection, sql, tmp_path / "a.parquet") == 0
    assert pl.read_parquet(tmp_path / "a.parquet").schema == {"n": pl.Decimal(38, 0)}


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT [sum(i)] AS listed FROM range(3) t(i)", "listed holds HUGEINT"),
        ("SELECT 170141183460469231731687303715884105727 AS n", "DECIMAL"),
        ("SELECT error('half way') FROM range(9)", "half way"),
    ],
)
def test_what_cannot_be_written_exactly_leaves_the_earlier_file(
    tmp_path: Path, sql: str, said: str
) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"earlier")
    with in_memory() as connection, pytest.raises(duckdb.Error, match=said):
        write_answer(connection, sql, path)
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [
        ("a.parquet", b"earlier")
    ]


def test_a_disk_without_room_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"earlier")
    with in_memory() as connection, files_limited_to(20_000), pytest.raises(duckdb.Error):
        write_answer(connection, "SELECT hash(i) AS n FROM range(200000) t(i)", path)
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [
        ("a.parquet", b"earlier")
    ]


def test_only_reading_statements_are_written(root: Path) -> None:
    for sql in ("COPY (SELECT 1) TO 'x.csv'", "SELECT 1; SELECT 2", "DROP VIEW otc_raw"):
        done = query(sql, "--parquet", "a.parquet")
        assert done.exit_code == 1
        assert "only reads" in done.output
    assert query("SELECT 1) TO 'x.csv'; --", "--parquet", "a.parquet").exit_code == 1
    assert sorted(item.name for item in root.iterdir()) == ["data"]


def test_csv_and_parquet_together_are_wrong_usage(root: Path) -> None:
    assert query("SELECT 1", "--csv", "--parquet", "a.parquet").exit_code == 2
