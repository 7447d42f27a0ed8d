"""A page tells what the tables hold, needs no network, and trusts nothing that was delivered."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from spine_assets.otc.delivery.provenance import MARK
from spine_assets.report import charts, page, stored, trend
from spine_assets.report.source import Points
from spine_assets.report.venues import Venues
from spine_assets_tests.conftest import NOW, PUBLISHED_TIER_1, WEEK, line
from spine_assets_tests.report.conftest import BEFORE, Press


class Links(HTMLParser):
    """Everything in a page that leads somewhere, or could be fetched or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [
            (name, value or "") for name, value in attrs if name in ("src", "href", "xlink:href")
        ]
        self.found += [(name, value or "") for name, value in attrs if name.startswith("on")]


def links(page: str) -> Links:
    parser = Links()
    parser.feed(page)
    return parser


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("999999"), "1.00 M"),
        (Decimal("-999499.5"), "-999 k"),
        (999, "999"),
        (Decimal("12.500000"), "12.5"),
        (943_802_893, "944 M"),
        (1_240_000_000_000, "1.24 T"),
        (0, "0"),
        (None, "–"),  # noqa: RUF001 - as the page has it
    ],
)
def test_quantities_are_shortened_to_three_digits(value: Decimal | int, text: str) -> None:
    assert page.short(value) == text


def test_figures_are_those_of_the_tables(press: Press) -> None:
    press.deliver()
    facts = press.made().facts
    shares = press.house.table("otc_venue_share")
    assert facts["shares"] == 400
    assert facts["hhi"] == 0.625  # three quarters and one quarter, squared
    assert (facts["top_mpid"], facts["top_share_pct"]) == ("OTCX", 75.0)
    assert facts["top_venue"] == "OTC LINK ECN ATS"
    assert facts["trades"] == shares["total_trades"].sum() == 5
    text = press.text()
    assert "Week ending 2025-11-21" in text
    assert "1 OTC LINK ECN ATS OTCX ATS 300 3 1 75.000" in text
    assert "all that is loaded 400 2 0.6250 0.6250" in text


def test_page_needs_nothing_from_outside(press: Press) -> None:
    press.deliver()
    press.made()
    for html in (press.page(), press.index()):
        found = links(html)
        assert {
            value for name, value in found.found if "://" in value or value.startswith("//")
        } == set()
        assert not {name for name, _ in found.found if name.startswith("on")}
        assert not found.tags & {"link", "img", "iframe", "object", "embed", "video", "audio"}
        assert "default-src 'none'" in html
        assert not re.search(r"@import|url\(", html)
    assert ("href", "../index.html") in links(press.page()).found
    assert ("href", "week_ending=2025-11-21/report.html") in links(press.index()).found


def test_what_was_delivered_is_shown_and_not_obeyed(press: Press) -> None:
    evil = "<script>alert(1)</script>"
    press.deliver(
        WEEK,
        "otc.csv",
        line(evil, shares="300", issue=f"{evil}</style>", name=f"OTCX {evil}"),
        line("", shares="1", issue="</pre><img src=x onerror=alert(2)>"),
    )
    press.made()
    html = press.page()
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert links(html).tags >= {"html", "svg", "table"}
    stamp = stored.stamp_of(press.house.lake, stored.page_path(press.house.lake, WEEK))
    assert stamp is not None


def test_what_cannot_be_seen_is_written_out_also_in_the_drawing(press: Press) -> None:
    """A tag letter, a character of private use, one that Unicode lacks, a mark of direction."""
    unseen = "\U000e0041\ue000\u0378\u202e"
    press.deliver(WEEK, "otc.csv", line("AAAA", name=f"X{unseen}", issue=f"Y{unseen}"))
    press.made()
    chart = stored.chart_path(press.house.lake, WEEK).read_text("utf-8")
    for text in (press.page(), press.index(), chart):
        assert not {char for char in unseen if char in text}
    assert "X\\U000e0041\\ue000" in chart


def test_colours_are_the_pages_own_in_each_theme(press: Press) -> None:
    press.deliver()
    press.made()
    html = press.page()
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    assert 'fill="var(--ats)"' in html
    chart = stored.chart_path(press.house.lake, WEEK).read_text("utf-8")
    for mark in charts.MARKS.values():
        assert mark not in html
        assert mark not in chart
    assert charts.LIGHT["ats"] in chart


def test_week_that_is_not_complete_says_so_first(press: Press) -> None:
    press.deliver()
    facts = press.made().facts
    assert (facts["is_complete"], facts["tiers_in"]) == (False, ["OTC"])
    text = press.text()
    assert "not complete, a tier is overdue" in text
    assert "not complete: NMS_TIER_1, NMS_TIER_2 not loaded" in text
    assert "Only ATS rows are loaded" in text
    assert "NMS_TIER_1 overdue 2025-12-08 nothing is captured" in text
    assert "OTC 400 not loaded" in text
    assert "No week is complete yet" in press.index()


def test_tier_that_is_not_due_yet_is_no_fault(press: Press) -> None:
    early = NOW.replace(year=2025, month=12, day=10)
    press.deliver(WEEK, "t1.csv", line(tier="NMS Tier 1", updated=PUBLISHED_TIER_1))
    press.made(now=early)
    assert "a tier is overdue" not in press.text()
    assert "OTC not due 2025-12-22" in press.text()


def test_changes_are_told_against_the_week_before(press: Press) -> None:
    press.deliver(
        BEFORE,
        "otc.csv",
        line("AAAA", shares="100", updated="2026-01-15"),
        line("GONE", "OTCN", "100", name="OTCN IDQS", updated="2026-01-15"),
    )
    press.made(BEFORE)
    press.deliver()
    facts = press.made().facts
    assert (facts["against"], facts["change_pct"]) == (str(BEFORE), 100.0)
    assert facts["movers"] == [
        {"tier": "OTC", "symbol": "AAAA", "change_shares": 200, "change_pct": 200.0}
    ]
    text = press.text()
    assert "+100.0% since 2025-11-14" in text
    assert "75.000 +25.00" in text  # half of the week before
    assert "New, without a row in week 2025-11-14: 1 (100 shares): BBBB 100." in text
    assert "Gone, without a row now: 1 (100 shares then): GONE 100." in text


def test_holidays_are_told(press: Press) -> None:
    thanksgiving = WEEK + timedelta(weeks=1)
    press.deliver()
    press.made()
    press.deliver(thanksgiving)
    press.made(thanksgiving)
    assert "week 2025-11-28 had 4 trading days" in press.text(thanksgiving)
    assert "4 trading days" not in press.text()


def test_rejects_checks_and_restatements_are_told(press: Press) -> None:
    press.deliver(WEEK, "first.csv", line(), line("", shares="7"))
    press.made()
    assert "None: no current capture of this week was replaced." in press.text()
    press.deliver(
        WEEK, "second.csv", line(shares="150", updated="2025-12-30"), line("", shares="7")
    )
    facts = press.made(now=NOW + timedelta(days=1)).facts
    assert (facts["rejects"], facts["restatements"]) == (1, 1)
    assert facts["checks_warned"] + facts["checks_failed"] >= 2
    text = press.text()
    assert "rule BLANK_SYMBOL 1 7" in text
    assert "OTC ATS 2026-01-21 12:00 107 157" in text or "OTC ATS 2026-01-21 12:00 100 150" in text
    assert "warned otc_restatements size" in text


def test_lines_that_are_in_no_figure_are_told_first(press: Press) -> None:
    press.deliver(WEEK, "otc.csv", line(), line("", shares="7"), line("BBBB", shares="6,753,871"))
    press.made()
    text = press.text()
    assert "2 delivered lines are in no figure of this page, 1 of them with a volume that" in text
    assert "parse NOT_A_NUMBER 1 –" in text  # noqa: RUF001 - as the page has it


def test_restated_week_says_so_first(press: Press) -> None:
    press.deliver(WEEK, "first.csv", line())
    press.made()
    assert "restated" not in press.text().partition("Venues")[0]
    press.deliver(WEEK, "second.csv", line(shares="150", updated="2025-12-30"))
    press.made(now=NOW + timedelta(days=1))
    assert "The week was restated once" in press.text().partition("Venues")[0]


def test_finras_data_is_not_called_synthetic_whatever_its_folder_is(press: Press) -> None:
    press.deliver(WEEK, "synthetic/otc.csv")
    assert not press.made().facts["is_synthetic"]
    assert "ynthetic sample" not in press.page() + press.index()


def test_synthetic_data_is_called_so_on_page_and_index(press: Press) -> None:
    press.deliver(WEEK, "otc.csv", line(issue=f"Alpha Corp{MARK}"))
    assert press.made().facts["is_synthetic"]
    assert "Synthetic sample data, not FINRA's" in press.page()
    assert "This is synthetic sample data" in press.text()
    assert "Synthetic sample data, not FINRA's" in press.index()


def test_shares_of_different_things_are_not_drawn_beside_one_another(press: Press) -> None:
    press.deliver(BEFORE)
    press.made(BEFORE)
    press.deliver()
    press.deliver(
        WEEK, "firm.csv", line(mpid="", shares="1000", name="ACME LLC", updated="2026-01-15")
    )
    press.made()
    text = press.text()
    assert "the mark is" not in text
    assert "compared on OTC ATS alone" in text
    rows = [
        {"mpid": "A", "venue_name": "A ATS", "venue_class": "ATS", "market_share_pct": 1.0}
        | {"share_before_pct": 2.0}
    ]
    drawn = {marked: charts.venues(rows, marked=marked)["layer"] for marked in (True, False)}
    assert (len(drawn[True]), len(drawn[False])) == (2, 1)


def test_no_line_leads_to_a_week_that_is_not_complete(press: Press) -> None:
    press.deliver()
    press.made()
    points = Points().until(press.house.lake, WEEK, Venues())
    values = charts.quarter(points)["vconcat"][1]["data"]["values"]
    assert (values[-1]["hhi"], values[-1]["joined"]) == (0.625, None)


def test_axes_end_above_what_they_show(press: Press) -> None:
    press.deliver()
    press.made()
    volumes, concentration = charts.quarter(Points().until(press.house.lake, WEEK, Venues()))[
        "vconcat"
    ]
    assert volumes["encoding"]["y"]["scale"]["domainMax"] >= 400 / 1e9
    assert concentration["layer"][0]["encoding"]["y"]["scale"]["domainMax"] == 0.8


def test_weeks_in_between_that_have_no_report_are_named(press: Press) -> None:
    for back in (0, 2, 3):
        week = WEEK - timedelta(weeks=back)
        press.deliver(week)
        press.made(week)
    assert "without a report: 2025-11-14." in press.index()


def test_trend_leaves_gaps_as_gaps(press: Press) -> None:
    press.deliver()
    press.made()
    points = Points().until(press.house.lake, WEEK, Venues())
    assert [point.is_loaded for point in points] == [False] * 12 + [True]
    assert points[-1].hhi == {"ATS": 0.625}
    volumes, concentration = charts.quarter(points)["vconcat"]
    assert len(volumes["encoding"]["x"]["scale"]["domain"]) == trend.WEEKS
    assert len(volumes["data"]["values"]) == 1  # no bar of height 0 for a week that is not there
    assert [value["hhi"] for value in concentration["data"]["values"]] == [None] * 12 + [0.625]
