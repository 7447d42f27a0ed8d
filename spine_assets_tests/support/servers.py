"""Real servers of the project: a webserver's GraphQL, daemons, `dagster dev`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from typing import Any

import pytest

from spine_assets_tests.support.projects import Project

START_SECONDS = 120  # the webserver needs about 8, some times that on a busy machine
STOP_SECONDS = 30
LAUNCH = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""


class Server:
    """A webserver's GraphQL."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:
            told: dict[str, Any] = json.load(answer)
        assert "errors" not in told, told
        data: dict[str, Any] = told["data"]
        return data

    def answers(self) -> bool:
        try:
            return bool(self.ask("{ version }"))
        except (urllib.error.URLError, ConnectionError):
            return False


def launched(server: Server, week: date) -> str:
    """A run of a week as the UI launches it; its id."""
    selector = {
        "repositoryLocationName": "spine_assets",
        "repositoryName": "__repository__",
        "jobName": "otc_weekly",
    }
    tags = [{"key": "dagster/partition", "value": str(week)}]
    asked = {"selector": selector, "runConfigData": {}, "executionMetadata": {"tags": tags}}
    told = server.ask(LAUNCH, params=asked)["launchRun"]
    assert told["__typename"] == "LaunchRunSuccess", told
    return str(told["run"]["runId"])


@contextmanager
def started(
    project: Project,
    name: str,
    *command: str,
    home: bool = True,
    program: str = sys.executable,
) -> Iterator[None]:
    """A process group of the project's own environment; what it says goes to a file.

    Args:
        project: Its folder is the working folder.
        name: Of the file.
        command: What Python is started with.
        program: The Python.
        home: Whether `DAGSTER_HOME` names the folder; the README sets it nowhere.
    """
    with (project.root / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            [program, *command],
            cwd=project.root,
            env={**os.environ, **({"DAGSTER_HOME": str(project.root)} if home else {})},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            with suppress(ProcessLookupError):  # what it started and did not take along
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until(holds: Callable[[], bool], seconds: float, project: Project, what: str) -> None:
    """Ask until it holds; at the end of patience, show what the processes said."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            logs = "\n".join(path.read_text()[-3000:] for path in project.root.glob("*.log"))
            pytest.fail(f"{what} took over {seconds} s\n{logs}")
        time.sleep(0.5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
