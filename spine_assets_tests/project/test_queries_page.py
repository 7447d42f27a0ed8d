"""The four queries of the page are those that are measured, and all return what the page states."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest

from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect
from spine_assets_tests.conftest import House, delivered, line
from spine_assets_tests.project.test_docs import ROOT

PAGE = (ROOT / "docs/queries.md").read_text("utf-8")
QUERIES = {
    name: sql.strip()
    for name, sql in re.findall(
        r"^-- ([^\n]+)\n(SELECT\b.*?;)$",
        (ROOT / "benchmarks/queries.sql").read_text("utf-8"),
        re.M | re.S,
    )
}
ONE, LATEST, ROLLING, MOVERS = QUERIES
(SPLIT,) = re.findall(r"^## ATS and non-ATS.*?^```sql\n(.*?)^```", PAGE, re.M | re.S)
PUBLISHED = {  # publication days of the tiers T1 and OTC by week; 2025-10-17 is absent
    date(2025, 10, 3): ("2025-10-20", "2025-11-03"),
    date(2025, 10, 10): ("2025-10-27", "2025-11-10"),
    date(2025, 10, 24): ("2025-11-10", "2025-11-24"),
    date(2025, 11, 21): ("2025-12-08", "2025-12-22"),
}
NEWEST = max(PUBLISHED)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Four weeks of PMCY in two tiers, the other symbols as needed; the newest without tier 2."""
    made = House(tmp_path_factory.mktemp("queries"))
    for number, (week, (tier_1, otc)) in enumerate(PUBLISHED.items(), start=1):
        for tier, updated, shares in (("NMS Tier 1", tier_1, 100 * number), ("OTC", otc, number)):
            rows = [
                line("PMCY", shares=str(shares), tier=tier, updated=updated),
                line("PMCY", "OTCN", str(10 * number), tier=tier, updated=updated),
                line("OTHER", shares=str(2000 - 300 * number), tier=tier, updated=updated),
            ]
            made.drop(f"{week}.{tier}.csv", delivered(*rows))
        if week != NEWEST:
            rows = [line("T2", shares="5", tier="NMS Tier 2", updated=otc)]
            made.drop(f"{week}.t2.csv", delivered(*rows))
    for week in PUBLISHED:
        made.built(week=week)
    return made


def asked(house: House, query: str) -> list[tuple[object, ...]]:
    with connect(house.lake, TABLES) as connection:
        return connection.execute(QUERIES[query]).fetchall()


@pytest.mark.parametrize("sql", QUERIES.values(), ids=list(QUERIES))
def test_the_page_shows_the_queries_that_are_measured(sql: str) -> None:
    assert f"```sql\n{sql}\n```" in PAGE
    assert len(QUERIES) + 1 == PAGE.count("```sql\n")  # SPLIT is measured by nobody


def test_one_symbol_has_a_row_for_each_week_tier_and_venue(house: House) -> None:
    rows = asked(house, ONE)
    assert [row[0] for row in rows] == [week for week in PUBLISHED for _ in range(4)]
    assert rows[0][1:] == ("NMS_TIER_1", "ATS", "OTCX", Decimal(100), 2)


def test_the_latest_week_is_ranked_to_100_percent(house: House) -> None:
    rows = asked(house, LATEST)
    assert [(row[0], row[1], row[3]) for row in rows] == [
        (1, "OTCX", Decimal(2004)),
        (2, "OTCN", Decimal(80)),
    ]
    assert sum(float(str(row[4])) for row in rows) == pytest.approx(100)


def test_the_mean_is_of_the_weeks_within_six(house: House) -> None:
    volumes = [Decimal(121 * number) for number in (1, 2, 3, 4)]
    assert asked(house, ROLLING) == [
        (date(2025, 10, 3), volumes[0], 121.0, 1),
        (date(2025, 10, 10), volumes[1], 181.5, 2),
        (date(2025, 10, 24), volumes[2], 242.0, 3),
        (NEWEST, volumes[3], 423.5, 2),  # 2025-10-10 is six weeks before, the seventh week
    ]
    assert NEWEST - timedelta(days=35) > date(2025, 10, 10)


def test_movers_compare_the_two_latest_complete_weeks(house: House) -> None:
    rows = asked(house, MOVERS)
    assert rows == [
        ("OTHER", "NMS_TIER_1", Decimal(1100), Decimal(1400), Decimal(-300)),
        ("OTHER", "OTC", Decimal(1100), Decimal(1400), Decimal(-300)),
        ("PMCY", "NMS_TIER_1", Decimal(330), Decimal(220), Decimal(110)),
        ("PMCY", "OTC", Decimal(33), Decimal(22), Decimal(11)),
        ("T2", "NMS_TIER_2", Decimal(5), Decimal(5), Decimal(0)),
    ]


def test_a_class_that_is_not_loaded_is_null_and_one_without_rows_is_zero(house: House) -> None:
    """Tier OTC has both classes, tier 1 the ATSs alone; on a copy, as other tests count rows."""
    firms = [line("PMCY", "", "15", name=name) for name in ("De Minimis Firms", "Y", "X")]
    firms.append(line("FIRM", "", "1", name="X"))
    made = House(house.root / "split")
    for path in house.landing.glob(f"{NEWEST}.*.csv"):
        made.drop(path.name, path.read_bytes())
    made.drop(f"week_ending={NEWEST}/class=non_ats/otc.csv", delivered(*firms))
    made.built(week=NEWEST)
    with connect(made.lake, TABLES) as connection:
        names = [column[0] for column in connection.execute(SPLIT).description]
        rows = connection.execute(SPLIT).fetchall()
    assert names[3:] == [
        *("ats_shares", "non_ats_shares", "ats_pct", "non_ats_pct", "top_ats", "top_firm")
    ]
    found = {(tier, symbol): tuple(row) for symbol, _, tier, *row in rows}
    both = 4 + 40 + 45
    assert found == {
        ("NMS_TIER_1", "OTHER"): (800, None, None, None, "OTCX", None),
        ("NMS_TIER_1", "PMCY"): (440, None, None, None, "OTCX", None),
        ("OTC", "OTHER"): (800, 0, 100.0, 0.0, "OTCX", None),
        ("OTC", "PMCY"): (
            *(44, 45, pytest.approx(100 * 44 / both), pytest.approx(100 * 45 / both)),
            *("OTCN", "X"),
        ),
        ("OTC", "FIRM"): (0, 1, 0.0, 100.0, None, "X"),
    }
