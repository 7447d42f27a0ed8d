"""What the front of the S3 server does, as a client sees it: obstore, over sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError, BaseError, GenericError, PreconditionError
from obstore.store import S3Store

from spine_assets_tests.support.s3 import S3Server
from spine_assets_tests.support.s3_front import Front, fronting


@pytest.fixture
def front(s3_server: S3Server) -> Iterator[Front]:
    with fronting(s3_server) as front:
        yield front


@pytest.fixture
def bucket(front: Front) -> str:
    return front.new_bucket()


def store_of(front: Front, bucket: str, tries: int = 2) -> S3Store:
    return S3Store.from_url(
        bucket,
        config={"endpoint": front.url, "access_key_id": "key", "secret_access_key": "s"},
        client_options={"allow_http": True, "timeout": timedelta(seconds=10)},
        retry_config={
            "max_retries": tries,
            "retry_timeout": timedelta(seconds=20),
            "backoff": {"init_backoff": timedelta(milliseconds=1)},
        },
    )


def read(store: S3Store, key: str) -> bytes:
    return bytes(obstore.get(store, key).bytes())


def listed(store: S3Store, prefix: str = "") -> list[str]:
    return sorted(meta["path"] for page in obstore.list(store, prefix) for meta in page)


def test_what_is_put_is_read_listed_and_deleted(front: Front, bucket: str) -> None:
    store = store_of(front, bucket)
    for key in ("a/week_ending=2025-11-21/x y.parquet", "a/b", "c"):
        obstore.put(store, key, key.encode())
    assert read(store, "a/week_ending=2025-11-21/x y.parquet").endswith(b"x y.parquet")
    assert bytes(obstore.get_range(store, "a/b", start=1, length=2)) == b"/b"
    assert obstore.head(store, "c")["size"] == 1
    assert listed(store, "a") == ["a/b", "a/week_ending=2025-11-21/x y.parquet"]
    obstore.delete(store, ["a/b", "c"])
    assert listed(store) == ["a/week_ending=2025-11-21/x y.parquet"]
    assert front.requests["PUT"] == 3 + 1  # and the bucket
    assert front.requests["LIST"] == 2
    assert front.requests["HEAD"] == 1
    assert front.bytes_out["GET"] == len("a/week_ending=2025-11-21/x y.parquet") + 2


def test_of_many_that_create_a_key_at_once_one_does(front: Front, bucket: str) -> None:
    store = store_of(front, bucket)
    together = threading.Barrier(8)

    def create(number: int) -> bool:
        together.wait()
        try:
            obstore.put(store, "lock", bytes([number]), mode="create")
        except AlreadyExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(create, range(8)))
    assert won.count(True) == 1
    assert read(store, "lock") == bytes([won.index(True)])
    assert front.requests["PUT-IF"] == 8


def test_of_many_that_replace_a_version_one_does(front: Front, bucket: str) -> None:
    store = store_of(front, bucket)
    version = obstore.put(store, "lock", b"old")

    def replace(number: int) -> bool:
        try:
            obstore.put(store, "lock", bytes([number]), mode={"e_tag": version["e_tag"]})
        except PreconditionError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(replace, range(8))).count(True) == 1


def test_a_stale_listing_tells_of_no_change_until_it_catches_up(front: Front, bucket: str) -> None:
    store = store_of(front, bucket)
    obstore.put(store, "w/old", b"1")
    obstore.put(store, "w/gone", b"1")
    front.stale_listing(bucket)
    obstore.put(store, "w/new", b"1")
    obstore.delete(store, "w/gone")
    obstore.put(store, "w/old", b"22")
    assert listed(store) == ["w/gone", "w/old"]
    assert read(store, "w/new") == b"1"  # GET is strong
    with pytest.raises(FileNotFoundError):
        obstore.head(store, "w/gone")
    front.catch_up()
    assert listed(store) == ["w/new", "w/old"]
    assert obstore.list(store, "w/old").collect() == []  # a prefix of folders, as obstore reads it
    obstore.put(store, "w/newer", b"1")
    assert listed(store) == ["w/new", "w/old"]
    front.strong_listing()
    assert listed(store) == ["w/new", "w/newer", "w/old"]


def test_a_late_listing_tells_what_it_tells_by_itself_after_its_time(
    front: Front, bucket: str
) -> None:
    store = store_of(front, bucket)
    front.stale_listing(bucket, seconds=0.0)
    obstore.put(store, "new", b"1")
    assert listed(store) == ["new"]


def test_an_old_listing_is_the_servers_own_page_by_page(front: Front, bucket: str) -> None:
    store = store_of(front, bucket)
    for key in ("a/1", "a/2", "a/b/3", "b/4", "c"):
        obstore.put(store, key, b"x")

    def told() -> list[object]:
        found = obstore.list_with_delimiter(store, "a")
        return [
            [(m["path"], m["size"], m["e_tag"], m["last_modified"]) for m in found["objects"]],
            found["common_prefixes"],
            listed(store),
            [m["path"] for page in obstore.list(store, offset="a/2") for m in page],
        ]

    before = told()
    front.stale_listing(bucket)
    assert told() == before
    old = front.old_listing(bucket.removeprefix("s3://"))
    assert old is not None
    first = old.answer({"max-keys": "3"})
    assert b"<IsTruncated>true" in first
    assert b"b/4" in old.answer({"max-keys": "3", "continuation-token": "a/b/3"})


def test_a_put_that_breaks_off_leaves_what_was_there(front: Front, bucket: str) -> None:
    store = store_of(front, bucket, tries=0)
    obstore.put(store, "kept", b"old")
    for key in ("kept", "none"):
        front.cut_puts(after=100_000)
        with pytest.raises(BaseError):
            obstore.put(store, key, b"x" * 3_000_000, use_multipart=False)
    assert read(store, "kept") == b"old"
    assert listed(store) == ["kept"]


def test_a_put_that_breaks_off_once_is_sent_again(front: Front, bucket: str) -> None:
    front.cut_puts(after=10, named="part")
    obstore.put(store_of(front, bucket), "part", b"x" * 1_000, use_multipart=False)
    assert front.requests["PUT"] == 1 + 2


@pytest.mark.parametrize("create", [True, False])
def test_a_conditional_put_whose_answer_is_lost_was_done_and_is_not_sent_again(
    front: Front, bucket: str, create: bool
) -> None:
    store = store_of(front, bucket)
    mode = "create" if create else {"e_tag": obstore.put(store, "lock", b"old")["e_tag"]}
    front.drop_answers()
    with pytest.raises(GenericError):  # of obstore 0.12.1, whatever its tries
        obstore.put(store, "lock", b"mine", mode=mode)  # type: ignore[arg-type]
    assert read(store, "lock") == b"mine"
    assert front.requests["PUT-IF"] == 1


@pytest.mark.parametrize("create", [True, False])
def test_a_conditional_put_that_is_denied_though_done_fails_by_its_own_object(
    front: Front, bucket: str, create: bool
) -> None:
    store = store_of(front, bucket)
    mode = "create" if create else {"e_tag": obstore.put(store, "lock", b"old")["e_tag"]}
    front.deny_puts()
    with pytest.raises(AlreadyExistsError if create else PreconditionError):
        obstore.put(store, "lock", b"mine", mode=mode)  # type: ignore[arg-type]
    assert read(store, "lock") == b"mine"
    assert front.requests["PUT-IF"] == 2


def test_a_plain_put_whose_answer_is_lost_is_sent_again(front: Front, bucket: str) -> None:
    front.drop_answers()
    obstore.put(store_of(front, bucket), "part", b"x")
    assert front.requests["PUT"] == 1 + 2


def test_a_busy_server_is_asked_again(front: Front, bucket: str) -> None:
    store = store_of(front, bucket)
    obstore.put(store, "a", b"1")
    front.slow_down(2)
    assert read(store, "a") == b"1"
    assert front.requests["GET"] == 3
    front.slow_down(3)
    with pytest.raises(BaseError, match="SlowDown"):
        read(store, "a")


def test_a_put_can_be_held_until_its_client_is_gone(front: Front, bucket: str) -> None:
    store = store_of(front, bucket, tries=0)
    held = front.hold_put(after=10)
    impatient = S3Store.from_url(
        bucket,
        config={"endpoint": front.url, "access_key_id": "key", "secret_access_key": "s"},
        client_options={"allow_http": True, "timeout": timedelta(seconds=1)},
        retry_config={"max_retries": 0},
    )
    with pytest.raises(BaseError):
        obstore.put(impatient, "a", b"x" * 3_000_000, use_multipart=False)
    assert held.is_set()
    assert listed(store) == []


def test_answers_can_be_late(front: Front, bucket: str) -> None:
    front.delay(0.01)
    obstore.put(store_of(front, bucket), "a", b"1")
    front.delay(0)
    assert read(store_of(front, bucket), "a") == b"1"
