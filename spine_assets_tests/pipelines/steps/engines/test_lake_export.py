"""Exports into folders: exact, whole or not there, and never silently empty."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time
from datetime import date
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine_assets.otc.views.registry import VIEWS
from spine_assets.pipelines import EngineExecutionError, TransientError
from spine_assets.pipelines.steps.engines.lake_export import ENGINE
from spine_assets.pipelines.steps.export_names import path_below
from spine_assets.pipelines.steps.export_rows import Format, content_of
from spine_assets_tests.conftest import files_limited_to
from spine_assets_tests.pipelines.steps.engines.conftest import EARLIER
from spine_assets_tests.pipelines.steps.engines.steps import act, context_of, problems

VOLUMES = "otc_venue_volume"
COLUMNS = ["week_ending", "symbol", "mpid", "share_volume", "trade_count"]


def step(**config: Any) -> dict[str, Any]:
    """Exports the volumes of a week as both kinds of file."""
    return {
        "source": {"table": VOLUMES, "columns": COLUMNS},
        "destination": {"folder": "weekly/{week_ending}", "name": "volume_{pipeline_id}"},
        "config": {"formats": ["parquet", "csv"], **config},
    }


def asked(query: str, **config: Any) -> dict[str, Any]:
    """Exports a query as CSV."""
    return {
        "source": {"query": query},
        "destination": {"folder": "asked", "name": "answer"},
        "config": {"formats": ["csv"], **config},
    }


def names_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def exported(root: Path, name: str = "asked/answer.csv") -> str:
    return (root / "exports/_shared" / name).read_bytes().decode()


def test_a_table_is_exported_for_the_week_of_the_run_alone(root: Path) -> None:
    done = act(ENGINE, step(), context_of(root))
    folder = root / "exports/_shared/weekly/2025-11-21"
    assert done.files == (folder / "volume_desk.parquet", folder / "volume_desk.csv")
    assert names_in(folder) == ["volume_desk.csv", "volume_desk.parquet"]
    assert (folder / "volume_desk.csv").read_bytes() == (
        b"week_ending,symbol,mpid,share_volume,trade_count\r\n"
        b"2025-11-21,AAPL,UBSA,1000,10\r\n"
        b"2025-11-21,AAPL,XSTM,250.5,3\r\n"
        b"2025-11-21,MSFT,UBSA,40,2\r\n"
    )
    frame = pl.read_parquet(folder / "volume_desk.parquet", hive_partitioning=False)
    assert frame.schema == {
        "week_ending": pl.Date(),
        "symbol": pl.String(),
        "mpid": pl.String(),
        "share_volume": pl.Decimal(28, 6),
        "trade_count": pl.Int64(),
    }
    assert frame["share_volume"].to_list() == [Decimal(1000), Decimal("250.5"), Decimal(40)]
    packed = duckdb.execute(
        "SELECT DISTINCT compression FROM parquet_metadata($1)", [f"{folder}/volume_desk.parquet"]
    )
    assert packed.fetchall() == [("ZSTD",)]


def test_the_result_tells_rows_bytes_and_hash_of_each_file(root: Path) -> None:
    done = act(ENGINE, step(), context_of(root))
    assert done.rows_processed == done.result["rows"] == 3
    assert done.result["unchanged"] is False
    for path, told in zip(done.files, done.result["files"], strict=True):
        content = Path(path).read_bytes()
        assert told == {
            "path": str(path),
            "format": Path(path).suffix[1:],
            "bytes": len(content),
            "sha256": sha256(content).hexdigest(),
            "unchanged": False,
        }


def test_the_same_content_is_not_written_again(root: Path) -> None:
    first = act(ENGINE, step(), context_of(root))
    before = [Path(path).stat().st_ino for path in first.files]
    again = act(ENGINE, step(overwrite=False), context_of(root))
    assert again.result["unchanged"] is True
    assert [Path(path).stat().st_ino for path in again.files] == before


def test_another_content_replaces_the_file_unless_it_must_stay(root: Path) -> None:
    act(ENGINE, asked("SELECT 1 AS n"), context_of(root))
    with pytest.raises(EngineExecutionError, match=r"answer\.csv: exists with other content"):
        act(ENGINE, asked("SELECT 2 AS n", overwrite=False), context_of(root))
    assert exported(root) == "n\r\n1\r\n"
    act(ENGINE, asked("SELECT 2 AS n"), context_of(root))
    assert exported(root) == "n\r\n2\r\n"


def test_a_pipeline_without_weeks_exports_all_of_them(root: Path) -> None:
    one = {**step(), "destination": {"folder": "all", "name": "volume"}}
    done = act(ENGINE, one, context_of(root, week=None))
    assert done.rows_processed == 4


def test_a_view_is_exported_like_a_table(root: Path) -> None:
    view = next(item.every_week for item in VIEWS if item.by_week)
    done = act(ENGINE, {**step(), "source": {"table": view}}, context_of(root))
    assert done.rows_processed


def test_values_are_bound_and_never_become_sql(root: Path) -> None:
    query = "SELECT symbol FROM otc_venue_volume WHERE symbol IN {symbols} AND {name} = 'x'' --'"
    one = asked(query + " ORDER BY ALL", allow_empty=True)
    done = act(ENGINE, one, context_of(root, symbols=["MSFT"], name="x' --"))
    assert done.rows_processed == 1


@pytest.mark.parametrize("week", [date(2025, 10, 3), EARLIER])
def test_no_rows_are_an_error_that_says_what_to_do(root: Path, week: date) -> None:
    one = {**step(), "source": {"table": "otc_restatements"}}
    with pytest.raises(EngineExecutionError) as told:
        act(ENGINE, one, context_of(root, week=week))
    assert f"otc_restatements has no rows of the week ending {week}" in str(told.value)
    assert f"`spine backfill {week}`" in str(told.value)
    assert not (root / "exports").exists()


def test_a_query_without_rows_is_an_error_too(root: Path) -> None:
    with pytest.raises(EngineExecutionError, match="query of source returned no rows"):
        act(ENGINE, asked("SELECT 1 AS n WHERE false"), context_of(root))


def test_no_rows_where_that_is_allowed_leave_the_columns(root: Path) -> None:
    done = act(ENGINE, step(allow_empty=True), context_of(root, week=date(2025, 10, 3)))
    text, frame = Path(done.files[1]).read_text(), pl.read_parquet(done.files[0])
    assert text == ",".join(COLUMNS) + "\n"  # read_text makes one character of each line end
    assert frame.height == 0
    assert frame.columns == COLUMNS


def test_an_unknown_table_or_column_is_told_with_those_there_are(root: Path) -> None:
    with pytest.raises(EngineExecutionError, match="otc_venue_volume"):
        act(ENGINE, {**step(), "source": {"table": "otc_venue_volumes"}}, context_of(root))
    bad = {"table": VOLUMES, "columns": ["shares"]}
    with pytest.raises(EngineExecutionError, match=r"has no shares; it has .*share_volume"):
        act(ENGINE, {**step(), "source": bad}, context_of(root))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT nothing FROM otc_venue_volume", "nothing"),
        ("SELECT INTERVAL 1 DAY AS i", "i is INTERVAL"),
        ("SELECT {'a': 1} AS s", "s is STRUCT"),
        ("SELECT [1::HUGEINT] AS l", r"l is HUGEINT\[\]"),
        ("SELECT 170141183460469231731687303715884105727 AS n", r"DECIMAL\(38,0\)"),
        ("SELECT * FROM read_csv('/etc/passwd')", "source: .*[Pp]ermission"),
        ("SELECT error('half way') FROM range(9)", "half way"),
    ],
)
def test_a_query_that_cannot_be_exported_is_told(root: Path, query: str, said: str) -> None:
    with pytest.raises(EngineExecutionError, match=said):
        act(ENGINE, asked(query), context_of(root))
    assert not (root / "exports").exists()


def test_a_tenant_exports_into_its_own_folder(root: Path) -> None:
    done = act(ENGINE, step(), context_of(root, tenant="acme"))
    assert done.files[0] == root / "exports/acme/weekly/2025-11-21/volume_desk.parquet"


@pytest.mark.parametrize(
    "value", ["../x", "a/../../x", "/etc", "..", "a\\b", "a//b", ".hidden", "a\nb", "a\0b", " "]
)
@pytest.mark.parametrize("field", ["folder", "name"])
def test_no_value_leads_out_of_the_folder(root: Path, field: str, value: str) -> None:
    one = asked("SELECT 1 AS n")
    one["destination"][field] = "{where}"
    with pytest.raises(EngineExecutionError, match=f"destination.{field}: "):
        act(ENGINE, one, context_of(root, tenant="acme", where=value))
    assert not (root / "exports").exists()


def test_no_link_leads_out_of_the_folder(root: Path) -> None:
    (root / "exports/_shared").mkdir(parents=True)
    (root / "exports/other").mkdir()
    (root / "exports/_shared/asked").symlink_to(root / "exports/other")
    with pytest.raises(EngineExecutionError, match="a link that leads out"):
        act(ENGINE, asked("SELECT 1 AS n"), context_of(root))
    (root / "exports/_shared/asked").unlink()
    (root / "exports/_shared/asked").mkdir()
    (root / "exports/_shared/asked/answer.csv").symlink_to(root / "exports/other/answer.csv")
    with pytest.raises(EngineExecutionError, match="not an ordinary file"):
        act(ENGINE, asked("SELECT 1 AS n"), context_of(root))
    assert names_in(root / "exports/other") == []


@given(folder=st.text(max_size=40), name=st.text(max_size=40))
def test_whatever_the_names_are_a_path_is_below_or_refused(
    tmp_path_factory: pytest.TempPathFactory, folder: str, name: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "top"
    try:
        path = path_below(root, folder, name)
    except EngineExecutionError:
        return
    assert Path(os.path.normpath(path)) == path
    assert path.is_relative_to(root)
    assert path != root


CELLS = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), min_size=1))


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_csv_says_what_another_reader_reads(rows: list[tuple[str | None, str | None]]) -> None:
    frame = pl.DataFrame(rows, schema={"one": pl.String, "two": pl.String}, orient="row")
    text = content_of(frame, Format.CSV).decode()
    read = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert read == [["one", "two"], *([one or "", two or ""] for one, two in rows)]


def test_csv_writes_each_type_plainly() -> None:
    frame = pl.DataFrame(
        {
            "whole": [Decimal("9007199254740993.000000"), None],
            "part": [Decimal("0.500000"), Decimal("-1.25")],
            "flag": [True, None],
            "ratio": [0.1, None],
            "quoted": ['a "b", c', None],
            "many": [["x", "y"], None],
        }
    )
    assert content_of(frame, Format.CSV).decode() == (
        "whole,part,flag,ratio,quoted,many\r\n"
        '9007199254740993,0.5,true,0.1,"a ""b"", c","[""x"", ""y""]"\r\n'
        ",-1.25,,,,\r\n"
    )


def test_a_full_disk_may_pass_and_leaves_the_earlier_file(root: Path) -> None:
    act(ENGINE, asked("SELECT 1 AS n"), context_of(root))
    with files_limited_to(20_000), pytest.raises(TransientError, match=r"answer\.csv"):
        act(ENGINE, asked("SELECT hash(i) AS n FROM range(20000) t(i)"), context_of(root))
    assert names_in(root / "exports") == ["_shared/asked/answer.csv"]
    assert exported(root) == "n\r\n1\r\n"


KILLED = """
import sys
from pathlib import Path
from spine_assets.pipelines.steps.engines.lake_export import ENGINE
from spine_assets_tests.pipelines.steps.engines.steps import act, context_of
from spine_assets_tests.pipelines.steps.engines.test_lake_export import asked

act(ENGINE, asked("SELECT repeat('x', 30000000) AS n"), context_of(Path(sys.argv[1])))
"""


@pytest.mark.long  # starts a process
def test_a_process_that_is_killed_leaves_no_half_file(root: Path) -> None:
    act(ENGINE, asked("SELECT 1 AS n"), context_of(root))
    folder = root / "exports/_shared/asked"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(root)])
    while not (half := list(folder.glob(".answer.csv.*.tmp"))) and process.poll() is None:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert half
    assert exported(root) == "n\r\n1\r\n"
    act(ENGINE, asked("SELECT 2 AS n"), context_of(root))
    assert names_in(folder) == ["answer.csv"]


@pytest.mark.parametrize(
    ("part", "values", "said"),
    [
        ("source", {}, "either table or query"),
        ("source", {"table": "t", "query": "SELECT 1"}, "either table or query"),
        ("source", {"query": "SELECT 1", "columns": ["n"]}, "with a table only"),
        ("source", {"query": "DROP VIEW otc_raw"}, "one SELECT"),
        ("source", {"query": "SELECT 1; SELECT 2"}, "one SELECT"),
        ("source", {"query": "SELEC 1"}, "syntax error"),
        ("destination", {"name": "n"}, "either folder or url"),
        (
            "destination",
            {"name": "n", "folder": "f", "url": "s3://bucket/p"},
            "either folder or url",
        ),
        ("destination", {"name": "n", "folder": "../f"}, "destination.folder"),
        ("destination", {"name": "n", "folder": "f/{week_ending}/.."}, "destination.folder"),
        ("destination", {"name": "a/{week_ending}", "folder": "f"}, "destination.name"),
        ("destination", {"name": "n", "url": "http://b/p"}, "s3://"),
        ("destination", {"name": "n", "url": "s3://bucket/../p"}, "destination.url"),
        ("destination", {"name": "n", "url": "s3://bucket/a%2Fb"}, "%"),
        ("destination", {"name": "n", "url": "s3://user:pass@bucket/p"}, "contains credentials"),
    ],
)
def test_what_no_schema_says_is_told_when_it_is_loaded(
    part: str, values: dict[str, Any], said: str
) -> None:
    (found,) = problems(ENGINE, {**step(), part: values}, "week_ending", "pipeline_id")
    assert said in found


def test_a_sound_step_has_no_problems() -> None:
    query = "SELECT {week_ending} AS w, {symbols} AS s, {'a': 1}['a'] AS n"
    assert problems(ENGINE, step(), "week_ending", "pipeline_id") == []
    assert problems(ENGINE, asked(query), "week_ending", "symbols") == []


@pytest.mark.parametrize(
    ("url", "sound"),
    [
        ("s3://bucket/{tenant_id}", True),
        ("s3://bucket/weekly/{tenant_id}/x", True),
        ("s3://bucket/weekly", False),
        ("s3://{tenant_id}/weekly", False),
        ("s3://bucket/of-{tenant_id}", False),
    ],
)
def test_tenants_have_a_folder_each_in_a_bucket(url: str, sound: bool) -> None:
    one = {**step(), "destination": {"name": "n", "url": url}}
    found = problems(ENGINE, one, "tenant_id", "week_ending")
    assert (found == []) is sound
    assert problems(ENGINE, {**one, "destination": {"name": "n", "url": "s3://bucket/p"}}) == []
