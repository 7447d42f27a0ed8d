"""Other engines read the lake's files as DuckDB and Polars do: pyarrow, and ClickHouse by chdb.

Every table of two built weeks, local and in a bucket: rows and exact sums a week. chdb stands in
the dependency group `engines`, which `make setup` leaves out; without it its tests are skipped.
"""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import obstore
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest
from obstore.store import S3Store
from pyarrow import fs

from spine_assets.core.tables import Table, Type
from spine_assets.lake.local import LocalLake
from spine_assets.otc.tables import control_totals, firm_totals
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect
from spine_assets_tests.conftest import NOW, REVISED, WEEK, House, delivered, line
from spine_assets_tests.support.s3 import SECRET, S3Server

EARLIER = date(2025, 11, 14)
HUGE = "999999999999.123456"  # digits that a float would lose
needs_chdb = pytest.mark.skipif(
    find_spec("chdb") is None, reason="needs chdb (530 MB): uv sync --group engines"
)
Sums = dict[tuple[str, date], tuple[int, list[Any]]]
"""Rows, and the sum of each column of shares and counts, by table and week; no empty weeks."""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> LocalLake:
    """Two weeks of all tables, one delivered twice, and the empty files of the views."""
    house = House(tmp_path_factory.mktemp("house"))
    house.landing.mkdir()
    early = (line(updated="2025-12-15"), line("CCCC", shares=HUGE, updated="2025-12-15"))
    house.drop("earlier.txt", delivered(*early))
    house.drop("first.txt", delivered(line(), line("BBBB", shares="250.5"), "broken"))
    house.built(week=EARLIER)
    house.built()
    corrected = line(shares="8", mpid="UBSA", updated=REVISED)
    house.drop("second.txt", delivered(corrected, line("BBBB", shares="250.5")))
    house.built(now=NOW + timedelta(days=1))
    with connect(house.lake, TABLES):
        return house.lake


@pytest.fixture(scope="module")
def expected(lake: LocalLake) -> Sums:
    """What DuckDB's views tell; Polars, file by file, tells the same."""
    found: Sums = {}
    by_polars: Sums = {}
    with connect(lake, TABLES) as connection:
        for table in TABLES:
            answer = connection.execute(asked(table, table.name)).fetchall()
            found |= {(table.name, row[0]): (row[1], list(row[2:])) for row in answer}
            for week in lake.weeks(table.name):
                frame = pl.concat(lake.read(path) for path in lake.files(table.name, week))
                if frame.height:
                    sums = [
                        frame[name].sum() if frame[name].count() else None for name in summed(table)
                    ]
                    by_polars[table.name, week] = frame.height, sums
    assert found == by_polars
    without_rows = {control_totals.TABLE.name, firm_totals.TABLE.name}  # nothing of them came
    assert {name for name, _ in found} == {table.name for table in TABLES} - without_rows
    return found


@pytest.fixture(scope="module")
def bucket(lake: LocalLake, s3_server: S3Server) -> str:
    """Name of a bucket that holds the lake's files below `lake`."""
    url = s3_server.new_bucket()
    config: Any = {"endpoint": s3_server.url, "access_key_id": "key", "secret_access_key": SECRET}
    http: Any = {"allow_http": True}
    store = S3Store.from_url(f"{url}/lake", config=config, client_options=http)
    for path in lake.root.rglob("*.parquet"):
        obstore.put(store, str(path.relative_to(lake.root)), path.read_bytes())
    return url.removeprefix("s3://")


def summed(table: Table) -> list[str]:
    """Names of the columns of shares and counts."""
    wanted = {Type.SHARES, Type.COUNT}
    return [column.name for column in table.columns if column.type in wanted]


def asked(table: Table, source: str) -> str:
    """A query for rows and sums a week; ClickHouse and DuckDB read it alike."""
    sums = ", ".join(f"sum({name})" for name in summed(table))
    return f"SELECT week_ending, count(*), {sums} FROM {source} GROUP BY week_ending"


def by_pyarrow(root: str, filesystem: fs.FileSystem) -> Sums:
    """Each table as a dataset whose folders tell the week, as a date."""
    weekly = ds.partitioning(pa.schema([("week_ending", pa.date32())]), flavor="hive")
    found: Sums = {}
    for table in TABLES:
        place = f"{root}/{table.name}"
        dataset = ds.dataset(place, filesystem=filesystem, format="parquet", partitioning=weekly)
        for week in (EARLIER, WEEK):
            that_week = pc.field("week_ending") == week
            opened = [fragment.path for fragment in dataset.get_fragments(that_week)]
            assert all(f"/week_ending={week}/" in path for path in opened)
            rows = dataset.to_table(filter=that_week)
            if rows.num_rows:
                sums = [pc.sum(rows[name]).as_py() for name in summed(table)]
                found[table.name, week] = rows.num_rows, sums
        assert dataset.count_rows() == sum(
            rows for (name, _), (rows, _) in found.items() if name == table.name
        )
    return found


def by_clickhouse(source: str, setting: str) -> Sums:
    """Each table by a query; `source` is the table function, {table} in it the folder."""
    chdb = import_module("chdb")
    found: Sums = {}
    for table in TABLES:
        sql = f"{asked(table, source.format(table=table.name))} SETTINGS {setting}"
        told = chdb.query(f"{sql}, output_format_json_quote_decimals = 1", "JSONCompact")
        for week, rows, *sums in json.loads(told.bytes())["data"]:
            exact = [value if value is None else Decimal(value) for value in sums]
            found[table.name, date.fromisoformat(week)] = int(rows), exact
    return found


def test_pyarrow_reads_the_files_of_a_local_lake(lake: LocalLake, expected: Sums) -> None:
    assert by_pyarrow(str(lake.root), fs.LocalFileSystem()) == expected


def test_pyarrow_reads_the_files_of_a_bucket(
    bucket: str, s3_server: S3Server, expected: Sums
) -> None:
    filesystem = fs.S3FileSystem(
        access_key="key",
        secret_key=SECRET,
        region="us-east-1",
        endpoint_override=s3_server.url.removeprefix("http://"),
        scheme="http",
    )
    assert by_pyarrow(f"{bucket}/lake", filesystem) == expected


def test_pyarrow_has_to_be_told_that_folders_name_dates(lake: LocalLake, expected: Sums) -> None:
    """As docs/reading.md warns: left to guess, it takes them for texts."""
    folder = lake.root / "otc_venue_volume"
    with pytest.raises(pa.ArrowTypeError, match="week_ending"):
        ds.dataset(folder, format="parquet", partitioning="hive").to_table()
    assert ds.dataset(folder, format="parquet").count_rows() == sum(
        rows for (name, _), (rows, _) in expected.items() if name == "otc_venue_volume"
    )


@needs_chdb
@pytest.mark.cluster
@pytest.mark.parametrize("by_folder", [0, 1])
def test_clickhouse_reads_the_files_of_a_local_lake(
    lake: LocalLake, expected: Sums, by_folder: int
) -> None:
    source = f"file('{lake.root}/{{table}}/*/*.parquet', Parquet)"
    assert by_clickhouse(source, f"use_hive_partitioning = {by_folder}") == expected


@needs_chdb
@pytest.mark.cluster
@pytest.mark.parametrize("by_folder", [0, 1])
def test_clickhouse_reads_the_files_of_a_bucket(
    bucket: str, s3_server: S3Server, expected: Sums, by_folder: int
) -> None:
    place = f"{s3_server.url}/{bucket}/lake/{{table}}/*/*.parquet"
    source = f"s3('{place}', 'key', '{SECRET}', 'Parquet')"
    assert by_clickhouse(source, f"use_hive_partitioning = {by_folder}") == expected


def blocks(language: str) -> list[str]:
    """Blocks of code of the page."""
    page = Path(__file__).parents[2].joinpath("docs/reading.md").read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.M | re.S)


@pytest.mark.parametrize("number", range(2))
def test_the_python_of_the_page_runs(
    lake: LocalLake,
    bucket: str,
    s3_server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    (lake.root.parent / "data").mkdir(exist_ok=True)
    if not (lake.root.parent / "data/lake").exists():
        (lake.root.parent / "data/lake").symlink_to(lake.root)
    monkeypatch.chdir(lake.root.parent)
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    ours = [text for text in blocks("python") if "pandas" not in text and "duckdb" not in text]
    text = ours[number].replace("bucket/lake", f"{bucket}/lake")  # others: test_other_clients.py
    exec(text.replace("127.0.0.1:9000", s3_server.url.removeprefix("http://")), {})
    told = capsys.readouterr().out
    assert ("4" if number == 1 else "258.5") in told


@needs_chdb
@pytest.mark.cluster
@pytest.mark.parametrize("number", range(2))
def test_the_queries_of_the_page_are_clickhouses(
    lake: LocalLake, bucket: str, s3_server: S3Server, number: int
) -> None:
    text = [text for text in blocks("text") if text.startswith("SELECT")][number].replace(
        "data/lake", str(lake.root)
    )
    text = text.replace(
        "127.0.0.1:9000/bucket", f"{s3_server.url.removeprefix('http://')}/{bucket}"
    )
    told = str(import_module("chdb").query(text, "TSV"))
    assert "2025-11-21\t2\t258.5" in told


@needs_chdb
@pytest.mark.cluster
def test_clickhouse_takes_the_folder_of_the_empty_file_for_a_date(
    bucket: str, s3_server: S3Server
) -> None:
    """As docs/reading.md warns: over S3, where a condition names the week."""
    place = f"{s3_server.url}/{bucket}/lake/otc_venue_volume/*/*.parquet"
    source = f"s3('{place}', 'key', '{SECRET}', 'Parquet')"
    with pytest.raises(RuntimeError, match="Cannot parse date here: __HIVE_DEF"):
        import_module("chdb").query(f"SELECT * FROM {source} WHERE week_ending = '{WEEK}'")
