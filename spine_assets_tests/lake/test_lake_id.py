"""A lake has an id from its declaration on, one for all processes, and copies keep it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from spine_assets.lake.base import Lake, LakeUnavailable
from spine_assets.lake.bucket.lake import ObjectLake
from spine_assets.lake.format import FIRST, FORMAT, declare, empty, lake_id, stored_format
from spine_assets.lake.local import LocalLake
from spine_assets.lake.names import FORMAT_FILE, LockName
from spine_assets.maintenance.copy_lake import LakeCopy
from spine_assets.otc.tables import raw, venue_share
from spine_assets_tests.conftest import WEEK

TABLES = (raw.TABLE, venue_share.TABLE)


@pytest.fixture(params=["folder", "bucket"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Lake]:
    """Opens a lake of a name, each time as another process does."""
    if request.param == "folder":
        return lambda name: LocalLake(tmp_path / name)
    bucket: str = request.getfixturevalue("bucket")
    return lambda name: ObjectLake(f"{bucket}/{name}")


def declared(lake: Lake) -> str:
    declare(lake, TABLES, raw.TABLE.name)
    identity = lake_id(lake)
    assert identity is not None
    return identity


def of_an_earlier_version(lake: Lake, number: int) -> None:
    """Declared, with a captured week, and without an id."""
    lake.declare(TABLES)
    file = lake.part(raw.TABLE.name, WEEK)
    lake.publish(lake.stage(pl.DataFrame({"n": [1]}), file, {}), file)
    if number > FIRST:
        content = json.dumps({"format": number, "program": "0.1"}).encode()
        lake.publish(lake.stage_bytes(content, lake.root / FORMAT_FILE), lake.root / FORMAT_FILE)


def test_it_is_made_once_and_differs_from_others(made: Callable[[str], Lake]) -> None:
    assert lake_id(made("one")) is None
    first = declared(made("one"))
    assert len(first) == 32
    assert declared(made("one")) == first
    assert stored_format(made("one")) == FORMAT
    assert declared(made("other")) != first


@pytest.mark.parametrize("number", [1, 2, FORMAT])
def test_a_lake_of_an_earlier_version_gets_one_and_keeps_its_format(
    made: Callable[[str], Lake], number: int
) -> None:
    of_an_earlier_version(made("one"), number)
    first = declared(made("one"))
    assert declared(made("one")) == first
    assert stored_format(made("one")) == number


def test_processes_that_begin_together_agree(made: Callable[[str], Lake]) -> None:
    of_an_earlier_version(made("one"), 2)
    with ThreadPoolExecutor(4) as threads:
        found = [*threads.map(lambda _: declared(made("one")), range(4))]
    assert len({*found}) == 1


def test_a_copy_keeps_it_and_one_with_its_own_keeps_that(made: Callable[[str], Lake]) -> None:
    source = made("one")
    first = declared(source)
    LakeCopy(source, made("copy")).copy()
    assert lake_id(made("copy")) == first
    own = declared(made("own"))
    LakeCopy(source, made("own")).copy(replace=True)
    assert lake_id(made("own")) == own


def test_a_copy_that_was_made_before_there_were_ids_gets_that_of_its_source(
    made: Callable[[str], Lake],
) -> None:
    source = made("one")
    of_an_earlier_version(source, 2)
    LakeCopy(source, made("copy")).copy()
    assert lake_id(made("copy")) is None
    first = declared(source)
    LakeCopy(source, made("copy")).copy()
    assert (lake_id(made("copy")), stored_format(made("copy"))) == (first, 2)


def test_an_emptied_lake_is_the_same_one(made: Callable[[str], Lake]) -> None:
    lake = made("one")
    of_an_earlier_version(lake, 1)
    first = declared(lake)
    empty(lake)
    assert lake.weeks(raw.TABLE.name) == []
    assert (lake_id(lake), stored_format(lake)) == (first, FORMAT)
    assert declared(lake) == first


def test_a_lake_that_cannot_be_written_is_read_without_one(tmp_path: Path) -> None:
    class Mounted(LocalLake):
        @contextmanager
        def lock_of(
            self, name: LockName, given_up: Callable[[], bool] | None = None
        ) -> Iterator[None]:
            raise LakeUnavailable(f"{name}: read-only file system")
            yield

    of_an_earlier_version(LocalLake(tmp_path / "lake"), FORMAT)
    declare(Mounted(tmp_path / "lake"), TABLES, raw.TABLE.name)
    assert lake_id(LocalLake(tmp_path / "lake")) is None
