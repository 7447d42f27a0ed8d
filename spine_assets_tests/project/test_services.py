"""The systemd units in deploy/: what they start picks up a file and builds its week."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from spine_assets.core.weeks import Tier
from spine_assets.lake.local import LocalLake
from spine_assets_tests.support.projects import SOURCE, Project
from spine_assets_tests.support.servers import (
    START_SECONDS,
    STOP_SECONDS,
    Server,
    free_port,
    wait_until,
)
from spine_assets_tests.support.shown import NEED_DAEMON

pytestmark = pytest.mark.long
WEEK = date(2025, 11, 21)  # the week that the pages name
INSTALLED = "/srv/spine_assets"
UNITS = ("spine-daemon", "spine-webserver")
SHOWN_PORT = "3000"


def unit(name: str) -> configparser.SectionProxy:
    """The service of a unit; `Environment` may stand there several times, one a line."""
    text = (SOURCE / "deploy" / f"{name}.service").read_text("utf-8")
    numbered = iter(range(100))
    text = re.sub(r"^Environment=", lambda _: f"Environment{next(numbered)}=", text, flags=re.M)
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser["Service"]


@contextmanager
def service(project: Project, name: str, port: int) -> Iterator[None]:
    """What systemd would start, in the project's folder and as this user; stopped by its signal."""
    installed = unit(name)
    here = {key: text.replace(INSTALLED, str(project.root)) for key, text in installed.items()}
    words = [str(port) if word == SHOWN_PORT else word for word in shlex.split(here["ExecStart"])]
    given = [text.split("=", 1) for key, text in here.items() if key.startswith("Environment")]
    with (project.root / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            words,
            cwd=here["WorkingDirectory"],
            env={**os.environ, **dict(given)},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield
        finally:
            # As systemd does with all processes of a service.
            os.killpg(process.pid, signal.Signals[here["KillSignal"]])
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def test_a_delivered_file_is_built_and_the_queue_takes_a_run(project: Project) -> None:
    (project.root / ".venv").symlink_to(Path(sys.executable).parent.parent)
    port = free_port()
    with service(project, "spine-webserver", port), service(project, "spine-daemon", port):
        project.deliver(WEEK, Tier.OTC)
        built = LocalLake(project.lake)
        wait_until(
            lambda: WEEK in built.weeks("otc_venue_share"),
            2 * START_SECONDS,
            project,
            "the sensor's run",
        )
        wait_until(Server(port).answers, START_SECONDS, project, "the webserver's start")
        for command in NEED_DAEMON:
            done = project.run(*shlex.split(command))
            assert done.returncode == 0, done.stdout + done.stderr
    lines = (project.root / "spine-daemon.log").read_text("utf-8").splitlines()
    logged = [json.loads(line) for line in lines if line.startswith('{"time"')]
    assert [item["pipeline"] for item in logged if f"week {WEEK}: " in item["message"]] == [
        "otc.weekly"
    ] * 2


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_one_that_systemd_takes(name: str, project: Project) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("this machine has no systemd")
    (project.root / ".venv").symlink_to(Path(sys.executable).parent.parent)
    text = (SOURCE / "deploy" / f"{name}.service").read_text("utf-8")
    text = text.replace(INSTALLED, str(project.root)).replace("User=spine", "User=root")
    path = project.root / f"{name}.service"
    path.write_text(text)
    done = subprocess.run(
        [verify, "verify", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert name not in done.stderr


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_runs_as_its_own_user_beside_the_projects_settings(name: str) -> None:
    settings = unit(name)
    assert settings["User"] == "spine"
    assert settings["WorkingDirectory"] == INSTALLED
    assert f"DAGSTER_HOME={INSTALLED}" in settings.values()
    assert settings["UMask"] == "0027"  # docs/security.md


def test_the_ui_is_served_on_loopback() -> None:
    assert "-h 127.0.0.1" in unit("spine-webserver")["ExecStart"]
