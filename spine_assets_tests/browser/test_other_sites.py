"""Pages of other sites, open in the browser of somebody whose Dagster UI runs on this machine.

What they do is done to plain `dagster dev` too: there it starts runs.
"""

from __future__ import annotations

import http.server
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser

from spine_assets_tests.browser.conftest import ARGUMENTS, PROGRAM
from spine_assets_tests.outside.attempts import LAUNCH, MUTATION, REFUSED
from spine_assets_tests.support.project_copy import copy_code
from spine_assets_tests.support.projects import Project, laid_out
from spine_assets_tests.support.servers import START_SECONDS, Server, free_port, started, wait_until

pytestmark = pytest.mark.long
_RUNS = """query($tags: [ExecutionTag!]) {
  runsOrError(filter: {tags: $tags}) { ... on Runs { count } }
}"""
_SECONDS = 60
ATTEMPTS = {
    "a picture": "<img src='{ui}/graphql?query={query}'>",
    "a frame": "<iframe src='{ui}/graphql?query={query}'></iframe>",
    "a form": (
        "<form action='{ui}/graphql?query={query}' method='post' enctype='text/plain'>"
        "<input name='a' value='b'></form><script>document.forms[0].submit()</script>"
    ),
    "a link that is followed": "<script>location = '{ui}/graphql?query={query}'</script>",
    "a script's request": (
        "<script>fetch('{ui}/graphql?query={query}', {{mode: 'no-cors', method: 'POST'}})</script>"
    ),
    "a websocket": (
        "<script>new WebSocket('{ui}/graphql'.replace('http', 'ws'), 'graphql-ws')</script>"
    ),
}
STARTS_A_RUN = ("a picture", "a form", "a script's request")


SPINE = str(Path(sys.executable).with_name("spine"))


@contextmanager
def served(
    words: tuple[str, ...], folder: Project, name: str, port: int, program: str = sys.executable
) -> Iterator[str]:
    with started(folder, name, *words, program=program):
        wait_until(Server(port).answers, START_SECONDS, folder, f"the start of {name}")
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with laid_out(tmp_path_factory.mktemp("sites") / "project") as made:
        copy_code(made.root, "hello")  # the job that the attempts would start
        yield made


@pytest.fixture(scope="module")
def guarded(project: Project) -> Iterator[str]:
    port = free_port()
    with served(("ui", "-p", str(port)), project, "spine ui", port, SPINE) as address:
        yield address


@contextmanager
def another_site(page: str) -> Iterator[str]:
    """A server of another origin with one page."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def visited(chromium: Browser, ui: str, attempt: str) -> list[int]:
    """Open the page of another site; the statuses that the UI's server answered with."""
    page = ATTEMPTS[attempt].format(ui=ui, query=quote(MUTATION))
    statuses: list[int] = []
    with another_site(page) as address, chromium.new_context() as context:
        tab = context.new_page()
        tab.on("response", lambda it: statuses.append(it.status) if ui in it.url else None)
        tab.goto(address, wait_until="commit")
        tab.wait_for_load_state("networkidle")
        tab.wait_for_timeout(1_000)
    return statuses


def runs(ui: str) -> int:
    port = int(ui.rpartition(":")[2])
    tags = [{"key": "spine/trigger", "value": REFUSED}]
    count: int = Server(port).ask(_RUNS, tags=tags)["runsOrError"]["count"]
    return count


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_no_page_of_another_site_starts_a_run(
    attempt: str, guarded: str, chromium: Browser
) -> None:
    statuses = visited(chromium, guarded, attempt)
    assert runs(guarded) == 0
    if attempt != "a websocket":
        assert statuses, "the browser asked nothing"
        assert all(status in (403, 405, 415) for status in statuses)


def test_a_name_that_leads_to_this_machine_is_no_page_of_the_ui(
    guarded: str, chromium: Browser
) -> None:
    """DNS rebinding: the browser takes the UI for the page's own site."""
    port = guarded.rpartition(":")[2]
    leads_here = "--host-resolver-rules=MAP evil.example 127.0.0.1"
    kind = chromium.browser_type
    with kind.launch(executable_path=PROGRAM, args=[*ARGUMENTS, leads_here]) as browser:
        answer = browser.new_page().goto(f"http://evil.example:{port}/")
        assert answer is not None
        assert (answer.status, answer.text()) == (400, "Invalid host header")


def test_the_uis_own_pages_start_runs(guarded: str, chromium: Browser) -> None:
    with chromium.new_context(base_url=guarded) as context:
        page = context.new_page()
        page.goto("/assets")
        page.get_by_text("otc_raw").first.wait_for(timeout=_SECONDS * 1_000)
        told = page.evaluate(
            """async body => (await fetch('/graphql', {
                method: 'POST', body, headers: {'Content-Type': 'application/json'},
            })).json()""",
            LAUNCH.replace(REFUSED, "own page"),
        )
        assert told["data"]["launchRun"]["__typename"] == "LaunchRunSuccess"
        live = page.evaluate(
            """() => new Promise(done => {
                const socket = new WebSocket(location.origin.replace('http', 'ws') + '/graphql',
                                             'graphql-ws')
                socket.onopen = () => done(true)
                socket.onerror = () => done(false)
            })"""
        )
        assert live


def test_the_same_pages_start_runs_of_a_bare_dagster_dev(
    project: Project, guarded: str, chromium: Browser
) -> None:
    port = free_port()
    words = ("-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port))
    with served(words, project, "dev", port) as ui:
        for number, attempt in enumerate(STARTS_A_RUN):
            visited(chromium, ui, attempt)
            assert runs(ui) == number + 1, attempt
