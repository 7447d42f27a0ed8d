"""One site for all tests of a process: the sample, Dagster's servers, and nginx before them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from spine_assets_tests.outside.nginx import (
    MISSING,
    NGINX,
    OPENSSL,
    Proxy,
    free_ports,
    prepare,
    serving,
)
from spine_assets_tests.support.project_copy import copy_code
from spine_assets_tests.support.projects import SOURCE, Project
from spine_assets_tests.support.servers import START_SECONDS, Server, free_port, started, wait_until

QUESTIONS = SOURCE / "deploy" / "graphql"
_SENSOR = {
    "repositoryName": "__repository__",
    "repositoryLocationName": "spine_assets",
    "sensorName": "otc_landing",
}
_STATE = """query($s: SensorSelector!) {
  sensorOrError(sensorSelector: $s) { ... on Sensor { id sensorState { id status } } }
}"""
_STOP = "mutation($id: String!) { stopSensor(id: $id) { __typename } }"
_COUNT = """query($tags: [ExecutionTag!]) {
  runsOrError(filter: {tags: $tags}) { ... on Runs { count } }
}"""


@dataclass(frozen=True)
class Site:
    """A project whose webservers and daemon run, and the proxy before them."""

    project: Project
    proxy: Proxy

    @property
    def behind(self) -> Server:
        """The webserver of operators, past the proxy."""
        return Server(self.proxy.ports["operators"])

    def runs(self, trigger: str) -> int:
        """How many runs have this tag spine/trigger."""
        tags = [{"key": "spine/trigger", "value": trigger}]
        count: int = self.behind.ask(_COUNT, tags=tags)["runsOrError"]["count"]
        return count


def question(name: str) -> str:
    """A question of `deploy/graphql/`."""
    return (QUESTIONS / f"{name}.graphql").read_text("utf-8")


def webserver(port: int, *options: str) -> tuple[str, ...]:
    """The command that the pages and units show, on another port."""
    return ("-m", "dagster_webserver", *options, "-h", "127.0.0.1", "-p", str(port))


def let_nobody_else_start_runs(server: Server) -> None:
    """Stop the sensor that would build what has landed before a test asks for it."""
    state: dict[str, Any] = server.ask(_STATE, s=_SENSOR)["sensorOrError"]["sensorState"]
    assert server.ask(_STOP, id=state["id"])["stopSensor"]["__typename"] != "PythonError"
    assert server.ask(_STATE, s=_SENSOR)["sensorOrError"]["sensorState"]["status"] == "STOPPED"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The whole, with an operator's key `nightly` and a reader's key `board`."""
    if NGINX is None or OPENSSL is None:
        pytest.skip(MISSING)
    root = tmp_path_factory.mktemp("outside") / "project"
    (root / "data").mkdir(parents=True)
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(SOURCE / name, root)
    shutil.copytree(SOURCE / "data" / "sample" / "first", root / "data" / "landing")
    copy_code(root, "hello", "watch_list")  # processes that are started here take this code
    project = Project(root)
    ports = free_ports(operators=free_port(), readers=free_port())
    proxy = prepare(root / "proxy", ports)
    proxy.add_key("operators", "nightly")
    proxy.add_key("readers", "board")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as running:
        for name in os.environ:
            if name.startswith("SPINE_") or name == "DAGSTER_HOME":
                patch.delenv(name)
        for role, options in (("operators", ()), ("readers", ("--read-only",))):
            running.enter_context(started(project, role, *webserver(ports[role], *options)))
        for role in ("operators", "readers"):
            server = Server(ports[role])
            wait_until(server.answers, START_SECONDS, project, f"the start for {role}")
        let_nobody_else_start_runs(Server(ports["operators"]))
        running.enter_context(started(project, "daemon", "-m", "dagster._daemon", "run"))
        running.enter_context(serving(proxy))
        wait_until(lambda: _asks(proxy), START_SECONDS, project, "nginx' start")
        yield Site(project, proxy)


def _asks(proxy: Proxy) -> bool:
    try:
        return proxy.ask("GET", "/", []).status == 401
    except ConnectionError:
        return False


def events_of(site: Site, run_id: str) -> list[dict[str, Any]]:
    """All events of a run, as Dagster itself tells them, past the proxy."""
    told = site.behind.ask(question("run_result"), runId=run_id, after=None)["runOrError"]
    events: list[dict[str, Any]] = told["eventConnection"]["events"]
    return events


def root_of(path: Path) -> Path:
    """A folder to run commands in that is a copy of what the project ships."""
    for name in ("deploy", "examples"):
        shutil.copytree(SOURCE / name, path / name, dirs_exist_ok=True)
    return path
