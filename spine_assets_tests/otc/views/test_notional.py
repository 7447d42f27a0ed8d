"""`otc_notional`: dollars by venue and symbol, added up from delivered lines or null."""

from __future__ import annotations

from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spine_assets.core.weeks import monday_of
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect
from spine_assets.warehouse.database import refresh
from spine_assets.warehouse.database_contents import contents_of
from spine_assets_tests.conftest import PUBLISHED, REVISED, WEEK, House, delivered, line
from spine_assets_tests.support.analysis_lake import ask
from spine_assets_tests.support.examples import examples

HEADER = (
    "tierDescription|tierIdentifier|issueSymbolIdentifier|issueName|marketParticipantName|MPID|"
    "firmCRDNumber|productTypeCode|summaryTypeCode|totalWeeklyShareQuantity|"
    "totalWeeklyTradeCount|totalNotionalSum|weekStartDate|lastUpdateDate"
)
Dollars = dict[tuple[str, str], Decimal | None]


def firm(
    symbol: str = "A",
    crd: str = "7",
    shares: str = "100",
    notional: str = "1.5",
    *,
    issue: str = "Alpha",
    updated: str = PUBLISHED,
) -> str:
    """A line of a firm, as FINRA's API has it."""
    return (
        f"OTC|OTCE|{symbol}|{issue}|ACME {crd}||{crd}||OTC_W_SMBL_FIRM|{shares}|2|{notional}|"
        f"{monday_of(WEEK)}|{updated}"
    )


def dollars(house: House) -> Dollars:
    with connect(house.lake, TABLES) as connection:
        found = ask(connection, "FROM otc_notional_all")
        volumes = ask(connection, "SELECT symbol, mpid, share_volume FROM otc_venue_volume")
    assert sorted(map(key_of, found)) == sorted(map(key_of, volumes))
    return {(row["symbol"], row["mpid"]): row["notional"] for row in found}


def key_of(row: dict[str, Any]) -> tuple[str, str, Decimal]:
    return row["symbol"], row["mpid"], row["share_volume"]


def test_dollars_are_those_of_the_lines_that_count_or_null(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.drop("ats.csv", delivered(line("A"), line("B", "UBSA")))
    house.drop(
        "firms.csv",
        delivered(
            firm(notional="1234.5649"),
            firm("B", notional="10.25"),
            firm("B", shares="7", notional="0.75", issue="Beta"),  # another issue of the key
            firm("C", notional=""),
            firm("D", notional="5"),
            firm("D", shares="8", notional="", issue="Delta"),
            firm("E", notional="9"),
            firm("E", shares="-5", notional="100", issue="Epsilon"),  # a reject
            header=HEADER,
        ),
    )
    house.built()
    assert dollars(house) == {
        ("A", "OTCX"): None,
        ("B", "UBSA"): None,
        ("A", "CRD7"): Decimal("1234.56"),
        ("B", "CRD7"): Decimal(11),
        ("C", "CRD7"): None,
        ("D", "CRD7"): None,
        ("E", "CRD7"): Decimal(9),
    }
    with connect(house.lake, TABLES) as connection:
        (row,) = ask(connection, "FROM otc_notional_all WHERE symbol = 'A' AND mpid = 'CRD7'")
        assert row["avg_price"] == pytest.approx(12.3456)
        assert ask(connection, "FROM otc_notional") == []  # two tiers are not loaded
    path = tmp_path / "one.duckdb"
    refresh(path, contents_of(house.lake), memory_bytes=10**9)
    with connect(house.lake, TABLES) as connection:
        connection.execute(f"ATTACH '{path}' AS stored (READ_ONLY)")
        by_key = "ORDER BY symbol, mpid"
        both = [
            ask(connection, f"FROM {name} {by_key}")
            for name in ("otc_notional_all", "stored.otc_notional_all")
        ]
    assert both[0] == both[1]


def test_a_correction_that_is_not_built_yet_is_no_part_of_a_sum(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.drop("firms.csv", delivered(firm(notional="10"), header=HEADER))
    house.built()
    house.drop(
        "later.csv",
        delivered(firm(shares="90", notional="9", updated=REVISED), header=HEADER),
    )
    house.built(["otc_raw"])
    assert dollars(house) == {("A", "CRD7"): None}
    house.built()
    assert dollars(house) == {("A", "CRD7"): Decimal(9)}


THOUSANDTHS = st.one_of(st.none(), st.integers(0, 10**12))
LINES = st.dictionaries(
    st.tuples(st.sampled_from("AB"), st.sampled_from("78"), st.sampled_from(["One", "Two"])),
    THOUSANDTHS,
    min_size=1,
)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(lines=LINES)
def test_sums_are_those_of_cents_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, lines: dict[tuple[str, str, str], int | None]
) -> None:
    house = House(tmp_path_factory.mktemp("house"))
    texts = [
        firm(symbol, crd, str(n), "" if k is None else f"{k // 1000}.{k % 1000:03}", issue=issue)
        for n, ((symbol, crd, issue), k) in enumerate(lines.items(), 1)
    ]
    house.drop("firms.csv", delivered(*texts, header=HEADER))
    house.built()
    amounts: dict[tuple[str, str], list[int | None]] = defaultdict(list)
    for (symbol, crd, _), thousandths in lines.items():
        amounts[symbol, f"CRD{crd}"].append(thousandths)
    cents = Decimal("0.01")
    assert dollars(house) == {
        key: None
        if None in of_lines
        else sum(
            (Decimal(k) / 1000).quantize(cents, ROUND_HALF_UP) for k in of_lines if k is not None
        )
        for key, of_lines in amounts.items()
    }
