"""`pytest --stop-at=SECONDS`: starts no test after that time, and prints how many are left out.

The session fails only if a test failed. Write the option with `=`: without it, pytest takes the
number for a folder and does not load this plugin. With `--junitxml=build/tests/long.xml`
the number left out is also written to `build/tests/long.left`, for `.ci/counts`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stop-at",
        type=float,
        metavar="SECONDS",
        help="begin no test after this time, in seconds since 1970",
    )


def pytest_configure(config: pytest.Config) -> None:
    until = config.getoption("--stop-at")
    if until is not None and not hasattr(config, "workerinput"):  # not in a worker of xdist
        config.pluginmanager.register(StopAt(config, until), "stop_at")


class StopAt:
    """Counts the tests that have ended, and stops the session when its time is over."""

    def __init__(self, config: pytest.Config, until: float) -> None:
        self._until = until
        self._ended: set[str] = set()
        self._collected = 0
        self._left: int | None = None  # of a session that was stopped
        self._session: Any = None
        xml = config.getoption("xmlpath")
        self._note = Path(xml).with_suffix(".left") if xml else None
        if self._note:
            self._note.unlink(missing_ok=True)

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._collected = max(self._collected, len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._collected = len(ids)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._ended.add(nodeid)
        left = self._collected - len(self._ended)
        if left and time.time() >= self._until:
            self._left = left
            plugin = self._session.config.pluginmanager.getplugin("dsession")
            (plugin or self._session).shouldstop = "its time is over"

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._left is None:
            return
        if self._note:
            self._note.write_text(f"{self._left}\n", "utf-8")
        if session.exitstatus == pytest.ExitCode.INTERRUPTED and not session.testsfailed:
            session.exitstatus = pytest.ExitCode.OK

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._left is not None:
            terminalreporter.section("BROKEN OFF", red=True, bold=True)
            terminalreporter.line(
                f"{self._left} of {self._collected} tests were not run: the time is over"
            )
