"""The weekly report in a phone's browser: no part of the page is wider than the screen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from spine_assets_tests.conftest import House, line
from spine_assets_tests.report.conftest import Press
from spine_assets_tests.support.projects import SOURCE, laid_out

pytestmark = pytest.mark.long

WIDTH, HEIGHT = 390, 844
PATIENCE_MS = 10_000  # a page from a file is there at once
NEWEST = date(2025, 11, 21)
WEEKS = tuple(NEWEST - timedelta(weeks=back) for back in range(12))


@dataclass(frozen=True)
class Phone:
    """A page on a phone, what it asked for and what it complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def show(self, path: Path) -> None:
        self.page.goto(path.as_uri())

    def assert_nothing_is_wider_than_the_screen(self) -> None:
        # A phone's browser widens `innerWidth` with the page, so the screen's own width counts.
        sizes = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert sizes == [WIDTH, WIDTH], self.page.url


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a project with the sample's weeks and their reports."""
    with laid_out(tmp_path_factory.mktemp("report") / "project") as project:
        for part in ("first", "later"):
            shutil.copytree(
                SOURCE / "data" / "sample" / part,
                project.landing / "synthetic",
                dirs_exist_ok=True,
            )
        done = project.run("spine", "backfill", "--missing")
        assert done.returncode == 0, done.stderr
        yield project.root / "data"


@pytest.fixture
def phone(chromium: Browser, tmp_path: Path) -> Iterator[Phone]:
    """A phone in portrait, without a network; `tmp_path` gets a picture where the test fails."""
    with chromium.new_context(
        viewport={"width": WIDTH, "height": HEIGHT},
        is_mobile=True,
        has_touch=True,
        device_scale_factor=2,
        offline=True,
    ) as context:
        expect.set_options(timeout=PATIENCE_MS)
        made = Phone(context.new_page())
        made.page.on("request", lambda request: made.requests.append(request.url))
        made.page.on("console", lambda message: made.complaints.append(message.text))
        made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
        yield made


def report(data: Path, week: date) -> Path:
    """The page of a week in a data folder."""
    return data / "lake" / "otc_weekly_report" / f"week_ending={week}" / "report.html"


def test_the_headline_figures_are_on_the_first_screen(phone: Phone, sample: Path) -> None:
    phone.show(report(sample, NEWEST))
    # Summed over the delivered files by hand: 395,951,735 shares, 1,309,682 trades, 112 symbols,
    # 131,989,408 shares on ATSs.
    for title, figure in {
        "Shares": "396 M",
        "Trades": "1.31 M",
        "ATS part": "33.3%",
        "Largest venue": "QUILLON MARKET MAKING LLC (synthetic)",
        "Concentration (HHI)": "0.1098",
        "Checks passed": "23 of 23",
    }.items():
        shown = phone.page.locator(".kpi").filter(has=phone.page.get_by_text(title, exact=True))
        expect(shown.locator("b")).to_have_text(figure)
        expect(shown).to_be_in_viewport(ratio=1)
    expect(phone.page.get_by_text("over 112 symbols")).to_be_in_viewport(ratio=1)


def test_no_page_scrolls_sideways_or_asks_for_anything(phone: Phone, sample: Path) -> None:
    pages = [report(sample, week) for week in WEEKS]
    pages.append(sample / "lake" / "otc_weekly_report" / "index.html")
    opened = 0
    for path in pages:
        phone.show(path)
        phone.assert_nothing_is_wider_than_the_screen()
        for summary in phone.page.locator("summary").all():
            summary.tap()
            opened += 1
        phone.assert_nothing_is_wider_than_the_screen()
    assert opened > 0
    assert phone.requests == [path.as_uri() for path in pages]
    assert phone.complaints == []


def test_wide_tables_scroll_by_themselves(phone: Phone, sample: Path) -> None:
    phone.show(report(sample, NEWEST))
    last = phone.page.get_by_role("columnheader", name="share of class, %")
    expect(last).not_to_be_in_viewport()
    last.scroll_into_view_if_needed()
    expect(last).to_be_in_viewport(ratio=0.9)
    assert phone.page.evaluate("scrollX") == 0
    for table in phone.page.locator("table:visible").all():
        table.locator("th").last.scroll_into_view_if_needed()
        expect(table.locator("th").last).to_be_in_viewport(ratio=0.9)
        assert phone.page.evaluate("scrollX") == 0


def test_the_index_leads_to_a_week_and_back(phone: Phone, sample: Path) -> None:
    phone.show(sample / "lake" / "otc_weekly_report" / "index.html")
    phone.page.locator("td").get_by_role("link", name="2025-10-17").tap()
    expect(phone.page.get_by_role("heading", level=1)).to_contain_text("Week ending 2025-10-17")
    phone.page.get_by_role("link", name="All weeks").tap()
    expect(phone.page.get_by_role("heading", level=1)).to_contain_text("by week")


def test_names_without_a_space_do_not_widen_the_page(phone: Phone, house: House) -> None:
    firm = "X" * 90
    press = Press(house)
    press.deliver(NEWEST, "firm.csv", line("Y" * 30, "", "900", name=firm, issue="Z" * 90))
    press.made(NEWEST)
    phone.show(report(house.root, NEWEST))
    expect(phone.page.get_by_text(firm).first).to_be_visible()
    phone.assert_nothing_is_wider_than_the_screen()
