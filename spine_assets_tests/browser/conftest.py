"""Chromium for tests of what people see, and a real `dagster dev` for those of Dagster's pages.

Belongs here: starting both, and a picture of the page where a test fails. Does not belong here:
what there is to click on Dagster's pages (`pages`).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, ViewportSize, expect, sync_playwright

from spine_assets_tests.browser.pages import PATIENCE_MS, DagsterUI
from spine_assets_tests.support.projects import Project, laid_out
from spine_assets_tests.support.servers import START_SECONDS, Server, free_port, started, wait_until

NAMES = ("chromium", "chromium-browser", "google-chrome")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
ARGUMENTS = (
    "--no-sandbox",  # root, as in a container, may not use it
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESK: ViewportSize = {"width": 1400, "height": 900}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser of this machine, without a window."""
    if PROGRAM is None:
        pytest.skip(f"needs Chromium, and none of {', '.join(NAMES)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=[*ARGUMENTS])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def dev(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, str]]:
    """`dagster dev` in a project of its own, and its address; its landing sensor is off."""
    port = free_port()
    with laid_out(tmp_path_factory.mktemp("browser") / "project") as project:
        words = ("-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port))
        with started(project, "dev", *words):
            wait_until(Server(port).answers, START_SECONDS, project, "the start of dagster dev")
            address = f"http://127.0.0.1:{port}"
            expect.set_options(timeout=PATIENCE_MS)
            page = chromium.new_page(viewport=DESK, base_url=address)
            DagsterUI(page, project).switch_landing_sensor(on=False)
            page.close()
            yield project, address


@pytest.fixture
def ui(chromium: Browser, dev: tuple[Project, str], tmp_path: Path) -> Iterator[DagsterUI]:
    """Dagster's pages in a tab of the test's own; `tmp_path` gets a picture where it fails."""
    project, address = dev
    with chromium.new_context(viewport=DESK, base_url=address) as context:
        expect.set_options(timeout=PATIENCE_MS)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        yield DagsterUI(page, project)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Save a picture of each page that a failed test has open, and name it with the error."""
    try:
        yield
    except Exception as error:
        funcargs = getattr(item, "funcargs", {})
        folder: Path | None = funcargs.get("tmp_path")
        browser: Browser | None = funcargs.get("chromium")
        if folder and browser:
            for page in (page for context in browser.contexts for page in context.pages):
                error.add_note(_picture(page, folder))
        raise


def _picture(page: Page, folder: Path) -> str:
    name = re.sub(r"\W+", "-", page.url)[-60:].strip("-")
    try:
        page.screenshot(path=folder / f"{name}.png")
    except Error as error:
        return f"no picture of {page.url}: {error}"
    return f"the page {page.url} as it was: {folder / name}.png"
