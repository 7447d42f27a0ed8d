"""Exports into buckets of a real S3 server, over sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import obstore
import pytest
from obstore.store import S3Store

from spine_assets.pipelines import EngineExecutionError, TransientError
from spine_assets.pipelines.steps.engines.lake_export import ENGINE
from spine_assets_tests.alerts.conftest import free_port
from spine_assets_tests.pipelines.steps.engines.steps import act, context_of
from spine_assets_tests.support import s3
from spine_assets_tests.support.s3 import S3Server

pytestmark = pytest.mark.long


def step(url: str, query: str = "SELECT 1 AS n", **config: Any) -> dict[str, Any]:
    """Exports a query as CSV into a bucket."""
    return {
        "source": {"query": query},
        "destination": {"url": url, "name": "answer {week_ending}"},
        "config": {"formats": ["csv"], **config},
    }


def held(bucket: str) -> dict[str, bytes]:
    """All objects of a bucket."""
    store = S3Store.from_url(bucket)
    names = [item["path"] for page in store.list() for item in page]
    return {name: bytes(obstore.get(store, name).bytes()) for name in sorted(names)}


def test_files_are_put_below_the_prefix_with_their_types(bucket: str, root: Path) -> None:
    one = step(f"{bucket}/desk/{{tenant_id}}/", formats=["csv", "parquet"])
    done = act(ENGINE, one, context_of(root, tenant="acme"))
    csv, parquet = "desk/acme/answer 2025-11-21.csv", "desk/acme/answer 2025-11-21.parquet"
    found = held(bucket)
    assert list(found) == [csv, parquet]
    assert found[csv] == b"n\r\n1\r\n"
    assert done.files == (f"{bucket}/{csv}", f"{bucket}/{parquet}")
    told = done.result["files"][0]
    assert (told["url"], told["bytes"], told["unchanged"]) == (f"{bucket}/{csv}", 6, False)
    attributes = obstore.get(S3Store.from_url(bucket), csv).attributes
    assert attributes["Content-Type"] == "text/csv; charset=utf-8; header=present"


def test_the_same_content_is_not_put_again(bucket: str, root: Path) -> None:
    act(ENGINE, step(bucket), context_of(root))
    (before,) = [item["last_modified"] for page in S3Store.from_url(bucket).list() for item in page]
    again = act(ENGINE, step(bucket, overwrite=False), context_of(root))
    (after,) = [item["last_modified"] for page in S3Store.from_url(bucket).list() for item in page]
    assert again.result["unchanged"] is True
    assert after == before


def test_another_content_replaces_the_object_unless_it_must_stay(bucket: str, root: Path) -> None:
    act(ENGINE, step(bucket), context_of(root))
    with pytest.raises(EngineExecutionError, match="exists with other content"):
        act(ENGINE, step(bucket, "SELECT 2 AS n", overwrite=False), context_of(root))
    assert list(held(bucket).values()) == [b"n\r\n1\r\n"]
    act(ENGINE, step(bucket, "SELECT 2 AS n"), context_of(root))
    assert list(held(bucket).values()) == [b"n\r\n2\r\n"]


def test_no_bucket_is_told(bucket: str, root: Path) -> None:
    with pytest.raises(EngineExecutionError, match="there is no such bucket"):
        act(ENGINE, step("s3://nobody-has-it/x"), context_of(root))


def test_a_server_that_is_not_there_may_come_back(
    bucket: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TransientError) as told:
        act(ENGINE, step(bucket), context_of(root))
    assert "s3cr3t" not in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("403 Forbidden", EngineExecutionError),
        ("400 Bad Request", EngineExecutionError),
        ("503 Slow Down", TransientError),
    ],
)
def test_what_a_store_answers_is_told_by_whether_it_may_pass(
    root: Path, monkeypatch: pytest.MonkeyPatch, answer: str, kind: type[Exception]
) -> None:
    with answering(answer) as server:
        for name, value in s3.environment(server).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(kind, match="s3://bucket/p"):
            act(ENGINE, step("s3://bucket/p"), context_of(root))


@pytest.mark.parametrize(
    "value", ["../other", "/other", "a%2F..%2Fother", "a/../other", "x?y", "x#y", "a//b", ""]
)
def test_no_value_leads_out_of_the_folder_of_a_tenant(bucket: str, root: Path, value: str) -> None:
    one = step(f"{bucket}/{{tenant_id}}/{{where}}/x")
    with pytest.raises(EngineExecutionError, match=r"destination\.url"):
        act(ENGINE, one, context_of(root, tenant="acme", where=value))
    one = step(f"{bucket}/{{tenant_id}}")
    one["destination"]["name"] = "{where}"
    if not set(value) & set("?#%"):
        with pytest.raises(EngineExecutionError, match=r"destination\.name"):
            act(ENGINE, one, context_of(root, tenant="acme", where=value))
    assert held(bucket) == {}


KILLED = """
import sys
from pathlib import Path
from spine_assets.pipelines.steps.engines.lake_export import ENGINE
from spine_assets_tests.pipelines.steps.engines.steps import act, context_of
from spine_assets_tests.pipelines.steps.engines.test_bucket_export import step

one = step(sys.argv[2], "SELECT repeat('x', 20000000) AS n")
act(ENGINE, one, context_of(Path(sys.argv[1])))
"""


def test_a_process_that_is_killed_while_it_sends_leaves_the_earlier_object(
    bucket: str, root: Path, s3_server: S3Server
) -> None:
    act(ENGINE, step(bucket), context_of(root))
    with relayed(s3_server.url, most=2_000_000) as (server, reached):
        environment = {**os.environ, **s3.environment(server)}
        command = [sys.executable, "-c", KILLED, str(root), bucket]
        process = subprocess.Popen(command, env=environment)
        assert reached.wait(60)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert list(held(bucket).values()) == [b"n\r\n1\r\n"]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("gs://bucket/p", "/bucket/p/answer 2025-11-21.csv"),
        ("az://cont/p", "/cont/p/answer 2025-11-21.csv"),
    ],
)
def test_other_stores_are_sent_one_put(
    root: Path, monkeypatch: pytest.MonkeyPatch, url: str, path: str
) -> None:
    asked: list[str] = []

    def store(client: socket.socket) -> None:
        """Has nothing, takes everything."""
        while head := client.recv(65_536):
            asked.append(head.partition(b" HTTP/")[0].decode())
            status = "404 Not Found" if head.startswith(b"GET") else "201 Created"
            answer = f'HTTP/1.1 {status}\r\nETag: "x"\r\nContent-Length: 0\r\n'
            client.sendall(f"{answer}Connection: close\r\n\r\n".encode())
            return

    with listening(store) as server:
        # Without a key that asks for no token, the machine's own role would be looked for.
        key = {"gcs_base_url": server, "disable_oauth": True, "client_email": ""}
        key |= {"private_key": "", "private_key_id": ""}
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps(key))
        monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", server)
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
        monkeypatch.setenv("AZURE_SKIP_SIGNATURE", "true")
        for kind in ("GOOGLE", "AZURE"):
            monkeypatch.setenv(f"{kind}_ALLOW_HTTP", "true")
        done = act(ENGINE, step(url), context_of(root))
    assert [unquote(item) for item in asked] == [f"GET {path}", f"PUT {path}"]
    assert done.files == (f"{url}/answer 2025-11-21.csv",)


@contextmanager
def relayed(server: str, most: int) -> Iterator[tuple[str, threading.Event]]:
    """A server that hands on what it is sent, `most` bytes of it; then it tells and waits."""
    reached = threading.Event()
    target = ("127.0.0.1", int(server.rpartition(":")[2]))

    def relay(client: socket.socket) -> None:
        with socket.create_connection(target) as upstream:
            threading.Thread(target=hand_on, args=(upstream, client), daemon=True).start()
            if hand_on(client, upstream, most) >= most:
                reached.set()
                while client.recv(65_536):  # until it is killed
                    pass

    with listening(relay) as url:
        yield url, reached


def hand_on(source: socket.socket, to: socket.socket, most: int = sys.maxsize) -> int:
    """Send on what comes; how many bytes that was."""
    sent = 0
    with suppress(OSError):
        while sent < most and (piece := source.recv(65_536)):
            to.sendall(piece)
            sent += len(piece)
    return sent


@contextmanager
def answering(status: str) -> Iterator[str]:
    """A server that answers everything alike."""
    text = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()

    def answer(client: socket.socket) -> None:
        client.recv(65_536)
        client.sendall(text)

    with listening(answer) as url:
        yield url


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a server that gives each connection a thread."""
    taken = socket.create_server(("127.0.0.1", 0))

    def one(client: socket.socket) -> None:
        with client, suppress(OSError):
            serve(client)

    def accept() -> None:
        with suppress(OSError):  # it was closed
            while True:
                client, _ = taken.accept()
                threading.Thread(target=one, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
    finally:
        taken.close()
