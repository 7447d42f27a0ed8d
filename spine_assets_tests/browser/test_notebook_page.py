"""The notebook as `marimo run` serves it: a light and a dark page, over the project here."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.dev.sample import committed_week
from spine_assets_tests.browser.conftest import DESK
from spine_assets_tests.conftest import WEEK, House
from spine_assets_tests.support.databases import refreshed
from spine_assets_tests.support.projects import SOURCE, Project, laid_out
from spine_assets_tests.support.servers import START_SECONDS, free_port, started, wait_until

pytestmark = pytest.mark.long

PATIENCE_MS = 60_000  # the page takes about ten seconds

_PIXELS = """canvas => {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    let [black, white, opaque] = [0, 0, 0]
    for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] < 255) continue
        opaque++
        const [low, high] = [Math.min(...data.slice(i, i + 3)), Math.max(...data.slice(i, i + 3))]
        black += high < 15
        white += low > 240
    }
    return {black, white, part: opaque / (data.length / 4)}
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page over one tier of a week, from a checkout whose `.env` names another folder."""
    checkout = tmp_path_factory.mktemp("checkout")
    shutil.copy(SOURCE / "pyproject.toml", checkout)
    shutil.copytree(SOURCE / "notebooks", checkout / "notebooks")
    (checkout / ".env").write_text("SPINE_DATA_DIR=data/demo\n")
    with laid_out(tmp_path_factory.mktemp("notebook") / "project") as project:
        _load_one_tier(project)
        port = free_port()
        notebook = checkout / "notebooks" / "explore.py"
        words = ("-m", "marimo", "run", "--headless", "--host", "127.0.0.1", "-p", str(port))
        found = f"http://127.0.0.1:{port}"
        with started(project, "marimo", *words, str(notebook), home=False):
            wait_until(lambda: _answers(found), START_SECONDS, project, "the start of marimo")
            yield found


def _load_one_tier(project: Project) -> None:
    house = House(project.root / "data")
    for item in committed_week(WEEK):
        if (item.tier, item.venue_class) == (Tier.NMS_TIER_1, VenueClass.ATS):
            house.drop(Path(item.path).name, item.content)
    house.built()
    refreshed(house.root / "spine.duckdb", house.lake)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=START_SECONDS) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_and_charts_are_light_or_dark_as_the_browser_is(
    chromium: Browser, address: str, scheme: Literal["light", "dark"]
) -> None:
    with chromium.new_context(viewport=DESK, color_scheme=scheme) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.get_by_text("One week is shown.").wait_for()
        assert "Only ATS files are loaded" in page.inner_text("body")
        charts = page.locator("canvas.marks")
        charts.nth(2).wait_for()
        assert f"{scheme}-theme" in str(page.locator("body").get_attribute("class"))
        for chart in charts.all():
            found = chart.evaluate(_PIXELS)
            text, other = ("white", "black") if scheme == "dark" else ("black", "white")
            assert found[text] > 0
            assert found[other] == 0
            assert found["part"] < 0.75  # the page's own background is behind the bars
        assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
