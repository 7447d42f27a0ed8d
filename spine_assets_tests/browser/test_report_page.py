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


PAGES = (
    "index.html",
    f"week_ending={NEWEST}/report.html",
    "symbols/PMCY.html",
    "symbols/GYC_70D.html",
    "venues/UBSA.html",
    "venues/CRD990117.html",
)


def folder(data: Path) -> Path:
    """Where the pages of a data folder are."""
    return data / "lake" / "otc_weekly_report"


def report(data: Path, week: date) -> Path:
    """The page of a week in a data folder."""
    return folder(data) / f"week_ending={week}" / "report.html"


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
    pages += [folder(sample) / name for name in PAGES if not name.startswith("week_ending")]
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


@pytest.mark.parametrize("width", [390, 800, 1400])
def test_no_table_is_cut(chromium: Browser, sample: Path, width: int) -> None:
    with chromium.new_context(viewport={"width": width, "height": 900}, offline=True) as context:
        page = context.new_page()
        for name in PAGES:
            page.goto((folder(sample) / name).as_uri())
            cut = page.evaluate(
                "[...document.querySelectorAll('.wide, .columns > div')]"
                ".filter((part) => part.scrollWidth > part.clientWidth)"
                ".map((part) => part.innerText.slice(0, 80))"
            )
            assert (name, cut) == (name, [])


def test_the_search_finds_a_symbol_and_its_page_has_a_table_for_spreadsheets(
    phone: Phone, sample: Path
) -> None:
    phone.show(folder(sample) / "index.html")
    phone.page.get_by_label("Symbol or venue").fill("amber bay")
    expect(phone.page.locator("#found li")).to_have_text(
        "PMCY Amber Bay Bancorp Inc. Common Stock (synthetic) · 52,379,559 shares"
    )
    phone.page.get_by_role("link", name="PMCY").tap()
    expect(phone.page.get_by_role("heading", level=1)).to_contain_text("Amber Bay Bancorp Inc.")
    newest = phone.page.get_by_role("row").filter(has_text=str(NEWEST))
    expect(newest).to_contain_text("52,379,559")
    expect(phone.page.get_by_role("columnheader", name="points")).not_to_be_visible()
    with phone.page.expect_download() as download:
        phone.page.get_by_role("link", name="CSV").last.tap()
    assert download.value.suggested_filename == "PMCY-weeks.csv"
    rows = download.value.path().read_text().splitlines()
    assert rows[0].startswith("symbol,week_ending,state,issue_name,total_volume")
    assert len(rows) == 1 + len(WEEKS)
    phone.page.get_by_role("link", name="TARNBROOK").first.tap()
    expect(phone.page.get_by_role("heading", level=1)).to_contain_text("CRD990217")
    phone.page.get_by_role("row").filter(has_text="PMCY").get_by_role("link").tap()
    expect(phone.page.get_by_role("heading", level=1)).to_contain_text("PMCY")
    assert phone.complaints == []


def test_weeks_lead_to_the_next_and_the_one_before(phone: Phone, sample: Path) -> None:
    phone.show(report(sample, NEWEST))
    phone.page.get_by_role("link", name="Week before").tap()
    expect(phone.page.get_by_role("heading", level=1)).to_contain_text(str(WEEKS[1]))
    phone.page.get_by_role("link", name="Week after").tap()
    expect(phone.page.get_by_role("heading", level=1)).to_contain_text(str(NEWEST))
    phone.page.get_by_role("link", name="Week after").tap()
    expect(phone.page.locator("#said")).to_have_text(f"No week after {NEWEST} has a report.")
    phone.show(report(sample, NEWEST))
    phone.page.get_by_role("link", name="SJH").first.tap()
    expect(phone.page.get_by_role("heading", level=1)).to_contain_text("SJH")
    assert phone.complaints == []


def test_a_symbol_without_a_page_names_the_command_that_makes_it(
    phone: Phone, sample: Path
) -> None:
    phone.page.goto(f"{(folder(sample) / 'index.html').as_uri()}#CJIEF")
    expect(phone.page.locator("#found li").first).to_contain_text(
        "no page yet: spine report --symbol CJIEF"
    )


def test_the_index_leads_to_a_week_and_back(phone: Phone, sample: Path) -> None:
    phone.show(folder(sample) / "index.html")
    phone.page.locator("td").get_by_role("link", name="2025-10-17").tap()
    expect(phone.page.get_by_role("heading", level=1)).to_contain_text("Week ending 2025-10-17")
    phone.page.get_by_role("link", name="All weeks, search").tap()
    expect(phone.page.get_by_role("heading", level=1)).to_contain_text("by week")


def test_names_without_a_space_do_not_widen_the_page(phone: Phone, house: House) -> None:
    firm = "X" * 90
    press = Press(house)
    press.deliver(NEWEST, "firm.csv", line("Y" * 30, "", "900", name=firm, issue="Z" * 90))
    press.made(NEWEST)
    phone.show(report(house.root, NEWEST))
    expect(phone.page.get_by_text(firm).first).to_be_visible()
    phone.assert_nothing_is_wider_than_the_screen()
