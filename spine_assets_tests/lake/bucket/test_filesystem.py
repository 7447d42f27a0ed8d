"""DuckDB reads objects of a bucket from several threads at once, and gets the right bytes."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import duckdb
import polars as pl
import pytest

from spine_assets.lake.bucket.filesystem import ObjectReader
from spine_assets.lake.bucket.objects import ObjectFile
from spine_assets.lake.opening import open_lake
from spine_assets_tests.support.s3 import S3Server

WEEK = date(2025, 11, 21)
ROWS = 200_000  # seven row groups


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return s3_server.new_bucket()


def test_threads_that_seek_before_another_reads_get_the_bytes_of_their_own_place(
    bucket: str,
) -> None:
    content = random.Random(1).randbytes(1_000_000)
    file = ObjectFile(bucket, "file")
    file.put(content, "any")
    reader = ObjectReader(file)
    together = threading.Barrier(4)

    def one(number: int) -> bool:
        start = 150_000 * number
        reader.seek(start)
        together.wait()
        return reader.read(1_000) == content[start : start + 1_000] and (
            reader.tell() == start + 1_000
        )

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(one, range(4)))


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_file_of_many_row_groups_is_summed_right(bucket: str, threads: int) -> None:
    lake = open_lake(f"{bucket}/lake")
    target = lake.part("t", WEEK)
    chance = random.Random(2)
    frame = pl.DataFrame({"n": [chance.randrange(2**40) for _ in range(ROWS)]})
    lake.publish(lake.stage(frame, target, {}), target)
    with duckdb.connect() as connection, lake.readable_by(connection):
        connection.execute(f"SET threads = {threads}")
        for _ in range(5):
            asked = f"SELECT count(*), sum(n) FROM read_parquet('{target}')"
            assert connection.execute(asked).fetchall() == [(ROWS, frame["n"].sum())]
