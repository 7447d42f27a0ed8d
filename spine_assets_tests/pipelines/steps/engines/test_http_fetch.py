"""Files of web servers reach the landing folder whole, once, and with no secret told."""

from __future__ import annotations

import gzip
import logging
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from spine_assets.otc.delivery.listing import listing
from spine_assets.pipelines import EngineExecutionError, StepResult, TransientError
from spine_assets.pipelines.steps.engines.http_fetch import ENGINE
from spine_assets_tests.alerts.conftest import free_port
from spine_assets_tests.conftest import files_limited_to
from spine_assets_tests.outbound.conftest import OWN, PUBLIC, Addresses
from spine_assets_tests.pipelines.steps.engines.steps import act, context_of, problems
from spine_assets_tests.pipelines.steps.engines.web import Page, Site, serving

CSV = b"symbol,shares\nAAPL,100\n"
OTHER = b"symbol,shares\nAAPL,200\n"
SECRET = "s3cr3t-token"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as found:
        yield found


def step(url: str, *, source: dict[str, Any] | None = None, **config: Any) -> dict[str, Any]:
    """Fetches a file into a folder of the week."""
    return {
        "source": {"url": url, **(source or {})},
        "destination": {"folder": "desk/week_ending={week_ending}", "name": "watch.csv"},
        "config": config,
    }


def fetched(site: Site, root: Path, page: Page, **more: Any) -> StepResult:
    """Fetch a page."""
    site.pages["/watch.csv"] = page
    return act(ENGINE, step(f"{site.url}/watch.csv", **more), context_of(root))


def landed(root: Path) -> dict[str, bytes]:
    """All files of the landing folder, hidden ones too."""
    top = root / "landing"
    found = sorted(path for path in top.rglob("*") if path.is_file())
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in found}


WATCH = "desk/week_ending=2025-11-21/watch.csv"


def test_a_file_is_fetched_into_the_landing_folder(site: Site, tmp_path: Path) -> None:
    done = fetched(site, tmp_path, Page(CSV, headers={"content-type": "text/csv"}))
    assert landed(tmp_path) == {WATCH: CSV}
    assert done.files == (tmp_path / "landing" / WATCH,)
    assert done.rows_processed is None
    assert done.result == {
        "url": f"{site.url}/watch.csv",
        "path": str(tmp_path / "landing" / WATCH),
        "bytes": len(CSV),
        "sha256": sha256(CSV).hexdigest(),
        "content_type": "text/csv",
        "unchanged": False,
    }


def test_names_are_filled_in_everywhere(site: Site, tmp_path: Path) -> None:
    site.pages["/2025-11-21.csv"] = Page(CSV)
    one = step(f"{site.url}/{{week_ending}}.csv", source={"headers": {"X-Desk": "{desk}"}})
    act(ENGINE, one, context_of(tmp_path, desk="one"))
    assert site.asked[0][1]["x-desk"] == "one"


def test_the_same_content_is_left_alone_and_another_goes_beside_it(
    site: Site, tmp_path: Path
) -> None:
    fetched(site, tmp_path, Page(CSV))
    before = (tmp_path / "landing" / WATCH).stat().st_ino
    assert fetched(site, tmp_path, Page(CSV)).result["unchanged"] is True
    beside = WATCH.replace(".csv", f".{sha256(OTHER).hexdigest()[:12]}.csv")
    for unchanged in (False, True):
        done = fetched(site, tmp_path, Page(OTHER))
        assert done.result["unchanged"] is unchanged
        assert done.files == (tmp_path / "landing" / beside,)
        assert landed(tmp_path) == {WATCH: CSV, beside: OTHER}
    assert (tmp_path / "landing" / WATCH).stat().st_ino == before


def test_a_packed_file_keeps_both_its_endings(site: Site, tmp_path: Path) -> None:
    one = step(f"{site.url}/watch.csv")
    one["destination"] = {"name": "watch.list.csv.gz"}
    for content in (gzip.compress(CSV), gzip.compress(OTHER)):
        site.pages["/watch.csv"] = Page(content)
        act(ENGINE, one, context_of(tmp_path))
    hashed = f"watch.list.{sha256(content).hexdigest()[:12]}.csv.gz"
    assert sorted(landed(tmp_path)) == sorted([hashed, "watch.list.csv.gz"])


def test_a_packed_body_is_kept_as_it_is_under_a_name_that_says_so(
    site: Site, tmp_path: Path
) -> None:
    packed = gzip.compress(CSV)
    page = Page(packed, headers={"content-encoding": "gzip"})
    with pytest.raises(EngineExecutionError, match=r"sent packed \(gzip\).* ending \.gz"):
        fetched(site, tmp_path, page)
    assert site.asked[0][1]["accept-encoding"] == "identity"
    one = step(f"{site.url}/watch.csv")
    one["destination"] = {"name": "watch.csv.gz"}
    act(ENGINE, one, context_of(tmp_path))
    assert landed(tmp_path) == {"watch.csv.gz": packed}


@pytest.mark.parametrize(
    ("page", "kind", "said"),
    [
        (Page(b"x", 404), EngineExecutionError, "HTTP 404"),
        (Page(b"x", 401), EngineExecutionError, "HTTP 401"),
        (Page(b"x", 204), EngineExecutionError, "HTTP 204"),
        (Page(b"x", 304), EngineExecutionError, "HTTP 304"),
        (Page(b"x", 408), TransientError, "HTTP 408"),
        (Page(b"x", 429), TransientError, "HTTP 429"),
        (Page(b"x", 500), TransientError, "HTTP 500"),
        (Page(b"x", 503), TransientError, "HTTP 503"),
        (Page(b"", 200), EngineExecutionError, "is empty"),
        (Page(b" <!DOCTYPE html><p>", 200), EngineExecutionError, "web page"),
        (Page(b"\xef\xbb\xbf<!-- x --><HTML>", 200), EngineExecutionError, "web page"),
        (Page(CSV, headers={"content-type": "text/html"}), EngineExecutionError, "web page"),
        (Page(CSV, length=90), TransientError, "RemoteProtocolError"),
        (Page(CSV, chunked=True, cut=True), TransientError, "RemoteProtocolError"),
        (Page(CSV, waits=2.0), TransientError, "ReadTimeout"),
        (Page(CSV * 4, each=0.05), TransientError, r"TooSlow \(.* bytes in"),
        (Page(b"0" * 101), EngineExecutionError, "more than config.max_bytes, 100"),
        (Page(b"0" * 101, length=None), EngineExecutionError, "more than config.max_bytes, 100"),
        (Page(b"x", 302), EngineExecutionError, "without an address"),
        (
            Page(b"x", 302, {"location": "ftp://127.0.0.1/x"}),
            EngineExecutionError,
            "neither http nor https",
        ),
        (Page(b"x", 302, {"location": "/watch.csv"}), EngineExecutionError, "more than 5 times"),
    ],
)
def test_what_is_no_whole_data_file_is_refused_and_leaves_nothing(
    site: Site, tmp_path: Path, page: Page, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said) as told:
        fetched(site, tmp_path, page, timeout_seconds=0.3, max_bytes=100)
    assert type(told.value) is kind
    assert f"{site.url}/watch.csv" in str(told.value)
    assert landed(tmp_path) == {}


def test_nobody_who_answers_may_come_back(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/watch.csv?key={SECRET}"
    with pytest.raises(TransientError, match="refused") as told:
        act(ENGINE, step(url), context_of(tmp_path))
    assert SECRET not in str(told.value)


def test_a_body_in_chunks_is_whole_and_one_without_length_is_told(
    site: Site, tmp_path: Path
) -> None:
    assert len(fetched(site, tmp_path, Page(CSV, chunked=True)).log_lines) == 1
    said = fetched(site, tmp_path, Page(OTHER, length=None)).log_lines
    assert "no length" in said[-1]


def test_only_accepted_content_types_are_taken(site: Site, tmp_path: Path) -> None:
    page = Page(CSV, headers={"content-type": "Text/CSV; charset=utf-8"})
    fetched(site, tmp_path, page, content_types=["text/csv"])
    fetched(site, tmp_path, page, content_types=["text/*"])
    for other in (Page(CSV, headers={"content-type": "application/json"}), Page(CSV)):
        with pytest.raises(EngineExecutionError, match="takes text/csv"):
            fetched(site, tmp_path, other, content_types=["text/csv"])
    page = Page(b"<html>", headers={"content-type": "text/html"})
    one = {**step(f"{site.url}/watch.csv", content_types=["text/html"])}
    site.pages["/watch.csv"], one["destination"] = page, {"name": "page.html"}
    act(ENGINE, one, context_of(tmp_path))
    assert landed(tmp_path)["page.html"] == b"<html>"


def test_secrets_come_from_the_environment_and_reach_only_the_first_host(
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("DESK_TOKEN", f"Bearer {SECRET}\n")
    source: dict[str, Any] = {
        "header_env": {"Authorization": "DESK_TOKEN"},
        "headers": {"X-Desk": "one"},
    }
    with serving() as other:
        source["redirect_hosts"] = [other.server]
        other.pages["/far.csv"] = Page(CSV)
        site.pages["/near"] = Page(status=307, headers={"location": f"{other.url}/far.csv"})
        url = f"{site.url}/near?key={SECRET}"
        site.pages["/first"] = Page(status=302, headers={"location": f"/near?key={SECRET}"})
        done = act(ENGINE, step(f"{site.url}/first", source=source), context_of(tmp_path))
        other.pages["/far.csv"] = Page(b"", 403)
        with pytest.raises(EngineExecutionError) as told:
            act(ENGINE, step(url, source=source), context_of(tmp_path))
    assert [headers.get("authorization") for _, headers in site.asked] == [f"Bearer {SECRET}"] * 3
    assert ["x-desk" in headers or "authorization" in headers for _, headers in other.asked] == [
        False,
        False,
    ]
    captured = capfd.readouterr()
    everything = f"{done}{told.value}{told.getrepr()}{caplog.text}{captured}"
    assert SECRET not in everything.replace(url, "")  # the test's own source line


def test_a_secret_may_stand_in_the_env_file(site: Site, tmp_path: Path) -> None:
    Path(".env").write_text(f"DESK_TOKEN={SECRET}\n")  # of the working folder
    fetched(site, tmp_path, Page(CSV), source={"header_env": {"X-Api-Key": "DESK_TOKEN"}})
    assert site.asked[0][1]["x-api-key"] == SECRET


@pytest.mark.parametrize("value", [None, " ", "a\nX-Evil: 1", "naïve"])
def test_a_secret_that_is_not_there_or_cannot_be_sent_is_told_by_its_name(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("DESK_TOKEN", value)
    with pytest.raises(EngineExecutionError, match="DESK_TOKEN") as told:
        fetched(site, tmp_path, Page(CSV), source={"header_env": {"X-Api-Key": "DESK_TOKEN"}})
    assert site.asked == []
    assert value is None or value.strip() == "" or value not in str(told.value)


def test_no_redirect_leaves_encryption(
    serving_tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(serving_tls) as safe:
        with pytest.raises(EngineExecutionError, match="CERTIFICATE_VERIFY_FAILED"):
            fetched(safe, tmp_path, Page(CSV))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        safe.pages["/down"] = Page(status=302, headers={"location": f"{site.url}/watch.csv"})
        site.pages["/watch.csv"] = Page(CSV)
        with pytest.raises(EngineExecutionError, match="from https to http"):
            act(ENGINE, step(f"{safe.url}/down"), context_of(tmp_path))
        assert site.asked == []
        safe.pages["/watch.csv"] = Page(CSV)
        site.pages["/up"] = Page(status=301, headers={"location": f"{safe.url}/watch.csv"})
        source = {"redirect_hosts": [safe.server]}
        act(ENGINE, step(f"{site.url}/up", source=source), context_of(tmp_path))
    assert landed(tmp_path) == {WATCH: CSV}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "017700000001", "[::ffff:127.0.0.1]"]
)
def test_a_redirect_to_another_server_of_this_machine_is_refused(
    site: Site, tmp_path: Path, host: str
) -> None:
    """Such as Dagster's, which would start a run for a GET."""
    with serving() as other:
        other.pages["/graphql"] = Page(CSV)
        other_url = f"http://{host}:{other.server.rpartition(':')[2]}/graphql?key={SECRET}"
        with pytest.raises(EngineExecutionError, match=r"not followed.*redirect_hosts") as told:
            fetched(site, tmp_path, Page(status=302, headers={"location": other_url}))
        assert other.asked == []
    assert SECRET not in str(told.value)
    assert landed(tmp_path) == {}


def test_a_redirect_is_followed_to_a_server_that_the_step_names(site: Site, tmp_path: Path) -> None:
    with serving() as other:
        other.pages["/far.csv"] = Page(CSV)
        page = Page(status=302, headers={"location": f"{other.url}/far.csv"})
        with pytest.raises(EngineExecutionError, match="not followed"):
            fetched(site, tmp_path, page, source={"redirect_hosts": ["127.0.0.1", "h:1"]})
        fetched(site, tmp_path, page, source={"redirect_hosts": [other.server]})
    assert landed(tmp_path) == {WATCH: CSV}


@pytest.mark.parametrize("name", ["127.0.0.1", "local.test", "2130706433"])
def test_a_public_server_cannot_lead_to_this_machine_even_where_it_is_named(
    tmp_path: Path, addresses: Addresses, name: str
) -> None:
    addresses.of["local.test"] = [OWN]
    with serving(host=PUBLIC) as site, serving() as other:
        other.pages["/far.csv"] = Page(CSV)
        server = f"{name}:{other.server.rpartition(':')[2]}"
        page = Page(status=302, headers={"location": f"http://{server}/far.csv"})
        with pytest.raises(EngineExecutionError, match=r"this machine or its networks \(127"):
            fetched(site, tmp_path, page, source={"redirect_hosts": [server]})
        assert other.asked == []
    assert landed(tmp_path) == {}


def test_a_name_that_changes_its_address_cannot_lead_to_this_machine(
    tmp_path: Path, addresses: Addresses
) -> None:
    """DNS rebinding: the second lookup gives the loopback address."""
    addresses.of["evil.test"] = [PUBLIC, OWN]
    port = free_port()
    with serving(host=PUBLIC, port=port) as site, serving(port=port) as other:
        site.pages["/x"] = Page(status=302, headers={"location": "/y"})
        other.pages["/y"] = Page(CSV)
        with pytest.raises(EngineExecutionError, match=r"this machine or its networks \(127"):
            act(ENGINE, step(f"http://evil.test:{port}/x"), context_of(tmp_path))
        assert [path for path, _ in site.asked] == ["/x"]
        assert other.asked == []


@pytest.mark.parametrize("value", ["../x", "/etc", "a\\b", ".hidden", "a//b", "..", "_x/../.."])
@pytest.mark.parametrize("field", ["folder", "name"])
def test_no_value_leads_out_of_the_landing_folder(
    site: Site, tmp_path: Path, field: str, value: str
) -> None:
    one = step(f"{site.url}/watch.csv")
    one["destination"][field] = "{where}"
    with pytest.raises(EngineExecutionError, match=f"destination.{field}"):
        act(ENGINE, one, context_of(tmp_path, where=value))
    assert site.asked == []
    assert landed(tmp_path) == {}


def test_no_link_leads_out_of_the_landing_folder(site: Site, tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "landing/desk").symlink_to(tmp_path / "other")
    with pytest.raises(EngineExecutionError, match="a link that leads out"):
        fetched(site, tmp_path, Page(CSV))


def test_a_full_disk_may_pass_and_leaves_nothing(site: Site, tmp_path: Path) -> None:
    with files_limited_to(20_000), pytest.raises(TransientError, match="File too large"):
        fetched(site, tmp_path, Page(b"0" * 200_000))
    assert landed(tmp_path) == {}


KILLED = """
import sys
from pathlib import Path
from spine_assets.pipelines.steps.engines.http_fetch import ENGINE
from spine_assets_tests.pipelines.steps.engines.steps import act, context_of
from spine_assets_tests.pipelines.steps.engines.test_http_fetch import step

act(ENGINE, step(sys.argv[2]), context_of(Path(sys.argv[1])))
"""


@pytest.mark.long  # starts a process
def test_a_process_that_is_killed_leaves_nothing_that_is_read(site: Site, tmp_path: Path) -> None:
    held = threading.Event()
    site.pages["/watch.csv"] = Page(b"0" * 3_000_000, held=held)
    command = [sys.executable, "-c", KILLED, str(tmp_path), f"{site.url}/watch.csv"]
    process = subprocess.Popen(command)
    while process.poll() is None and not any(landed(tmp_path).values()):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    held.set()
    (half,) = landed(tmp_path)
    assert half.startswith("desk/week_ending=2025-11-21/.watch.csv.")
    assert listing(tmp_path / "landing") == []
    os.utime(tmp_path / "landing" / half, (0, 0))  # nobody writes it any more
    fetched(site, tmp_path, Page(CSV))
    assert landed(tmp_path) == {WATCH: CSV}


@pytest.mark.parametrize(
    ("part", "values", "said"),
    [
        ("source", {"url": "ftp://h/x"}, "source.url"),
        ("source", {"url": "http:///x"}, "source.url"),
        ("source", {"url": f"https://user:{SECRET}@h/x"}, "source.url"),
        ("source", {"url": "http://h/x", "headers": {"Authorization": SECRET}}, "header_env"),
        ("source", {"url": "http://h/x", "headers": {"a b": "c"}}, "not a header"),
        ("source", {"url": "http://h/x", "headers": {"Host": "h"}}, "not a header"),
        ("source", {"url": "http://h/x", "headers": {"X": "a\r\nb"}}, "ASCII"),
        ("source", {"url": "http://h/x", "header_env": {"X": f"{SECRET}=="}}, "not its value"),
        (
            "source",
            {"url": "http://h/x", "headers": {"X-A": "c"}, "header_env": {"x-a": "D"}},
            "given twice",
        ),
        ("source", {"url": "http://h/x", "redirect_hosts": ["http://h/"]}, "is not a host"),
        ("source", {"url": "http://h/x", "redirect_hosts": [f"u:{SECRET}@h"]}, "is not a host"),
        ("destination", {"name": "../x.csv"}, "destination.name"),
        ("destination", {"name": "_x.csv"}, "destination.name"),
        ("destination", {"name": "x.csv", "folder": "a/../{week_ending}"}, "destination.folder"),
    ],
)
def test_what_no_schema_says_is_told_when_it_is_loaded(
    part: str, values: dict[str, Any], said: str
) -> None:
    (found,) = problems(
        ENGINE, {**step("https://h/{week_ending}.csv"), part: values}, "week_ending"
    )
    assert said in found
    assert SECRET not in found


def test_a_sound_step_has_no_problems() -> None:
    assert problems(ENGINE, step("https://h/{week_ending}.csv?a={b}"), "week_ending", "b") == []
    assert problems(ENGINE, step("{base}/x.csv"), "week_ending", "base") == []
