"""Row rules: which rows count, which are rejects, and that none is lost."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spine_assets.core.table_schema import polars_schema
from spine_assets.core.tables import exact_sum
from spine_assets.core.weeks import VenueClass
from spine_assets.otc.tables import raw, rejects, row_rules, venue_volume
from spine_assets_tests.conftest import NOW, WEEK
from spine_assets_tests.support.examples import examples

SOUND: dict[str, Any] = {
    "capture_id": "c",
    "week_ending": WEEK,
    "tier": "OTC",
    "tier_name": "OTC",
    "symbol": "AAAA",
    "issue_name": "Alpha Corp",
    "venue_name": "OTCX OTC LINK ECN ATS",
    "mpid": "OTCX",
    "firm_crd": None,
    "venue_class": "ATS",
    "product_type": None,
    "summary_type": None,
    "share_volume": Decimal(100),
    "trade_count": 2,
    "notional": None,
    "last_update_date": date(2025, 12, 22),
    "initial_published_date": None,
    "last_reported_date": None,
    "extra": None,
    "notes": None,
    "source_file": "a.csv",
    "captured_at": NOW.replace(tzinfo=None),
}
FIRM = {"venue_class": "NON_ATS", "mpid": None, "venue_name": "ACME LLC"}
HASHED = (
    "tier",
    "symbol",
    "issue_name",
    "venue_name",
    "mpid",
    "share_volume",
    "trade_count",
    "last_update_date",
)


def raw_rows(*changes: dict[str, Any]) -> pl.DataFrame:
    """Raw rows that differ from a sound one; hashes differ where hashed fields do."""
    rows = []
    for number, change in enumerate(changes, 2):
        row = SOUND | {"source_line": number} | change
        rows.append(row | {"record_hash": repr([row[name] for name in HASHED])})
    return pl.DataFrame(rows, schema=polars_schema(raw.TABLE), orient="row")


def split(*changes: dict[str, Any]) -> tuple[list[int], dict[int, str]]:
    """Lines accepted, and reasons by rejected line."""
    accepted, broken = row_rules.split(raw_rows(*changes))
    reasons = dict(broken.select("source_line", "reason").iter_rows())
    assert accepted.height + len(reasons) == len(changes)
    return sorted(accepted["source_line"].to_list()), reasons


def broken_row(change: dict[str, Any]) -> dict[str, Any]:
    accepted, broken = row_rules.split(raw_rows(change))
    assert accepted.is_empty()
    (row,) = broken.to_dicts()
    return row


# --- single rows


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"summary_type": "ATS_W_SMBL"}, "SUMMARY_TYPE", "summaryTypeCode"),
        ({"summary_type": "OTC_W_VOL_STATS"}, "SUMMARY_TYPE", "summaryTypeCode"),
        ({"symbol": ""}, "BLANK_SYMBOL", "issueSymbolIdentifier"),
        (FIRM | {"venue_name": ""}, "BLANK_MPID", "MPID"),
        (FIRM | {"venue_name": "nan"}, "BLANK_MPID", "MPID"),
        ({"share_volume": Decimal(-5)}, "NEGATIVE", "totalWeeklyShareQuantity"),
        ({"trade_count": -1}, "NEGATIVE", "totalWeeklyTradeCount"),
        # Rows that an earlier version read, which knew no limit.
        ({"share_volume": Decimal(10**12 + 1)}, "IMPLAUSIBLE", "totalWeeklyShareQuantity"),
        ({"trade_count": 10**10 + 1}, "IMPLAUSIBLE", "totalWeeklyTradeCount"),
        (
            {"share_volume": Decimal(-5), "trade_count": -1},
            "NEGATIVE",
            "totalWeeklyShareQuantity",
        ),
    ],
)
def test_a_row_that_breaks_a_rule_names_reason_and_field(
    change: dict[str, Any], reason: str, field: str
) -> None:
    row = broken_row(change)
    assert (row["reason"], row["field"]) == (reason, field)
    assert row["detail"]


@pytest.mark.parametrize(
    "change",
    [
        {"summary_type": "ATS_W_SMBL_FIRM"},
        {"summary_type": "OTC_W_SMBL_FIRM"} | FIRM,
        {"share_volume": Decimal(0), "trade_count": 0},
        {"share_volume": Decimal("0.000001")},
        {"share_volume": Decimal(10**12), "trade_count": 10**10},
        {"trade_count": 0},
        FIRM,
        FIRM | {"venue_name": "De Minimis Firms"},
        {"issue_name": "", "venue_name": ""},
    ],
)
def test_rows_that_break_no_rule_are_accepted(change: dict[str, Any]) -> None:
    assert split(change) == ([2], {})


def test_a_row_that_breaks_several_rules_tells_them_all() -> None:
    row = broken_row(FIRM | {"symbol": "", "venue_name": "", "share_volume": Decimal(-5)})
    assert row["reason"] == "BLANK_SYMBOL"
    assert "BLANK_MPID" in row["detail"]
    assert "NEGATIVE" in row["detail"]


@pytest.mark.parametrize(
    ("change", "venue"),
    [
        ({}, "OTCX"),
        (FIRM | {"firm_crd": "7059"}, "CRD7059"),
        (FIRM, "FIRM:ACME LLC"),
        (FIRM | {"venue_name": "De Minimis Firms"}, "DE_MINIMIS"),
        (FIRM | {"venue_name": "De Minimis Firm"}, "DE_MINIMIS"),
        (FIRM | {"venue_name": "DE MINIMIS FIRMS*"}, "DE_MINIMIS"),
        (FIRM | {"venue_name": "DE  MINIMIS FIRMS", "firm_crd": "1"}, "DE_MINIMIS"),
        (FIRM | {"venue_name": "", "firm_crd": "0"}, "DE_MINIMIS"),
        (FIRM | {"firm_crd": "116797.0"}, "CRD116797"),
        (FIRM | {"mpid": "null"}, "FIRM:ACME LLC"),
        ({"mpid": None}, "UNATTRIBUTED"),
        ({"mpid": "nan"}, "UNATTRIBUTED"),
        (FIRM | {"mpid": "ACME", "firm_crd": "7059"}, "CRD7059"),
    ],
)
def test_identity_of_a_venue(change: dict[str, Any], venue: str) -> None:
    accepted, _ = row_rules.split(raw_rows(change))
    assert accepted["venue_id"].to_list() == [venue]


# --- rows that share a key


def test_an_exact_twin_is_a_duplicate_and_the_first_is_kept() -> None:
    assert split({}, {}, {}) == ([2], {3: "DUPLICATE_ROW", 4: "DUPLICATE_ROW"})


@pytest.mark.parametrize(
    "other",
    [
        {"issue_name": "Alpha Corporation"},
        {"product_type": "UTP"},
        {"last_update_date": date(2025, 12, 30)},
        {"share_volume": Decimal(7)},
        {"trade_count": 3},
        {"notional": Decimal(9)},
        {"extra": '{"issueType":"W"}'},
    ],
)
def test_rows_of_one_key_that_differ_in_anything_are_issues_of_it(other: dict[str, Any]) -> None:
    assert split({}, other) == ([2, 3], {})
    accepted, _ = row_rules.split(raw_rows({}, other))
    (row,) = venue_volume.build(accepted, "b").to_dicts()
    expected = 100 + (SOUND | other)["share_volume"]
    assert (row["share_volume"], row["issue_count"]) == (expected, 2)


def test_the_larger_issue_gives_the_name_and_the_latest_update_the_date() -> None:
    small = {"issue_name": "Beta Inc", "share_volume": Decimal(99), "trade_count": 50}
    accepted, _ = row_rules.split(raw_rows(small | LATER, {}, {"symbol": "BBBB"}))
    row, other = venue_volume.build(accepted, "b").to_dicts()
    assert (row["issue_name"], row["share_volume"], row["trade_count"]) == ("Alpha Corp", 199, 52)
    assert (row["avg_trade_size"], row["issue_count"]) == (199 / 52, 2)
    assert (row["last_update_date"], row["capture_id"]) == (date(2025, 12, 30), "b")
    assert (other["symbol"], other["issue_count"]) == ("BBBB", 1)


def test_the_first_by_file_and_line_is_kept() -> None:
    later = {"source_file": "b.csv", "source_line": 1}
    accepted, broken = row_rules.split(raw_rows(later, {"source_line": 9}, {"source_line": 5}))
    assert accepted.select("source_file", "source_line").rows() == [("a.csv", 5)]
    assert sorted(broken["source_line"].to_list()) == [1, 9]


OTHER = {"share_volume": Decimal(7)}
LATER = {"last_update_date": date(2025, 12, 30)}
CONFLICT, TWIN = "CONFLICTING_KEY", "DUPLICATE_ROW"


def versions(rows: int, *, twice: int, **other: Any) -> list[dict[str, Any]]:
    """A file of so many symbols, the first of which stand in it twice."""
    names = [{"symbol": f"S{n:04}"} for n in range(rows)]
    return names + [name | other for name in names[:twice]]


@pytest.mark.parametrize(
    ("changes", "twice"),
    [
        (versions(599, twice=6, **OTHER), 6),
        (versions(600, twice=6, **OTHER), 0),  # one in a hundred is not too many
        (versions(5, twice=5, **OTHER), 0),  # nor are five
        (versions(6, twice=6, **OTHER), 6),
        (versions(6, twice=6), 0),  # the same lines twice are duplicates
        (versions(6, twice=6, product_type="UTP", **OTHER), 0),  # two issues by what they say
        (versions(6, twice=6, issue_name="Beta", **OTHER), 0),
        ([*versions(9, twice=8), {"symbol": "S0008"} | OTHER], 9),  # and one of them changed
    ],
)
def test_many_keys_with_two_figures_are_two_versions_joined(
    changes: list[dict[str, Any]], twice: int
) -> None:
    rows = raw_rows(*changes)
    assert row_rules.versions_joined(rows) == twice
    assert row_rules.versions_joined(rows.reverse()) == twice
    conflicts = [reason for reason in split(*changes)[1].values() if reason == CONFLICT]
    figures = Counter(
        (change["symbol"], change.get("share_volume"), change.get("issue_name"))
        for change in changes
    )
    two_figures = Counter(symbol for symbol, _, _ in figures)
    expected = sum(2 for count in two_figures.values() if count > 1) if twice else 0
    assert len(conflicts) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "AAAa"},
        {"symbol": "AAA.A"},
        {"mpid": "OTCN"},
        {"tier": "NMS Tier 2", "tier_name": "NMS_TIER_2"},
        FIRM,
        {"mpid": "otcx"},
    ],
)
def test_rows_of_different_keys_both_load(change: dict[str, Any]) -> None:
    assert split({}, OTHER | change) == ([2, 3], {})


def test_a_key_is_made_of_identities_and_not_of_spellings() -> None:
    one, other = FIRM | {"firm_crd": "7"}, FIRM | OTHER | {"firm_crd": "007.0"}
    accepted, _ = row_rules.split(raw_rows(one, other))
    assert venue_volume.build(accepted, "b").select("mpid", "issue_count").rows() == [("CRD7", 2)]


def test_rejects_are_in_the_order_of_files_and_lines() -> None:
    """Rows that lose against others are found after those that break a rule by themselves."""
    blank, other_file = {"symbol": ""}, {"source_file": "b.csv", "source_line": 2}
    _, broken = row_rules.split(raw_rows({}, blank, {}, blank | other_file))
    found = rejects.from_rules(broken).select("source_file", "source_line", "reason").rows()
    assert found == [
        ("a.csv", 3, "BLANK_SYMBOL"),
        ("a.csv", 4, TWIN),
        ("b.csv", 2, "BLANK_SYMBOL"),
    ]
    _, broken = row_rules.split(raw_rows({}, {}, blank))
    assert rejects.from_rules(broken)["source_line"].to_list() == [3, 4]


def test_a_row_that_breaks_a_rule_is_no_rival_of_a_sound_one() -> None:
    negative = {"share_volume": Decimal(-5)} | LATER
    assert split({}, negative) == ([2], {3: "NEGATIVE"})
    summary = {"summary_type": "ATS_W_SMBL"}
    assert split({}, summary, OTHER | LATER) == ([2, 4], {3: "SUMMARY_TYPE"})


def test_rows_of_several_files_may_be_in_pieces() -> None:
    """As they are where the captures of a week are put together."""
    bad = {"symbol": "", "share_volume": Decimal(-5)}
    files = [
        raw_rows(bad),
        raw_rows({}),
        raw_rows(bad | {"summary_type": "ATS_W_SMBL"}),
        raw_rows(),
    ]
    pieces = pl.concat([*files, raw_rows({"source_line": 9} | bad)], rechunk=False)
    assert max(pieces.n_chunks("all")) > 1
    for one, other in zip(row_rules.split(pieces), row_rules.split(pieces.rechunk()), strict=True):
        assert one.equals(other)


def test_no_rows_give_no_rows() -> None:
    accepted, broken = row_rules.split(raw_rows({}).clear())
    assert (accepted.height, broken.height) == (0, 0)
    assert {"tier_name", "venue_id"} <= set(accepted.columns)
    assert {"reason", "field", "detail"} <= set(broken.columns)


# --- rejects of rules


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"symbol": ""}, "OTC||Alpha Corp|OTCX OTC LINK ECN ATS|OTCX|100|2|2025-12-22"),
        (
            {"symbol": "", "share_volume": Decimal("12.5"), "mpid": None},
            "OTC||Alpha Corp|OTCX OTC LINK ECN ATS||12.5|2|2025-12-22",
        ),
        (
            {"symbol": "", "share_volume": Decimal(0)},
            "OTC||Alpha Corp|OTCX OTC LINK ECN ATS|OTCX|0|2|2025-12-22",
        ),
        (
            {"share_volume": Decimal(-1200)},
            "OTC|AAAA|Alpha Corp|OTCX OTC LINK ECN ATS|OTCX|-1200|2|2025-12-22",
        ),
    ],
)
def test_a_rule_reject_is_written_as_finra_writes_lines(change: dict[str, Any], text: str) -> None:
    _, broken = row_rules.split(raw_rows(change))
    (found,) = rejects.from_rules(broken).to_dicts()
    assert (found["stage"], found["raw_line"], found["source_line"]) == ("rule", text, 2)
    assert found["share_volume"] == (SOUND | change)["share_volume"]


# --- property

CHANGE = st.fixed_dictionaries(
    {},
    optional={
        "symbol": st.sampled_from(["AAAA", "AAAa", ""]),
        "mpid": st.sampled_from(["OTCX", "OTCN", None]),
        "tier_name": st.sampled_from(["OTC", "NMS_TIER_2"]),
        "venue_class": st.sampled_from([item.value for item in VenueClass]),
        "venue_name": st.sampled_from(["ACME LLC", "De Minimis Firms", ""]),
        "firm_crd": st.sampled_from(["1", "01.0", "0", None]),
        "issue_name": st.sampled_from(["Alpha Corp", "Beta Inc"]),
        "summary_type": st.sampled_from(["ATS_W_SMBL_FIRM", "ATS_W_SMBL", None]),
        "share_volume": st.sampled_from([Decimal(n) for n in ("100", "7", "0", "-5", "12.5")]),
        "last_update_date": st.sampled_from([date(2025, 12, 22), date(2025, 12, 30)]),
    },
)


@given(st.lists(CHANGE, min_size=1, max_size=12))
@settings(max_examples=examples(150), deadline=None)
def test_rows_and_shares_are_conserved_and_keys_are_unique(changes: list[dict[str, Any]]) -> None:
    rows = raw_rows(*changes)
    accepted, broken = row_rules.split(rows)
    lines = Counter(accepted["source_line"].to_list() + broken["source_line"].to_list())
    assert lines == Counter(rows["source_line"].to_list())
    shares = exact_sum(accepted["share_volume"]) + exact_sum(broken["share_volume"])
    assert shares == sum((row["share_volume"] for row in rows.to_dicts()), Decimal(0))
    assert broken["reason"].null_count() == 0
    venues = venue_volume.build(accepted, "b")
    assert venues.select("tier", "symbol", "venue_class", "mpid").is_duplicated().sum() == 0
    assert venues["issue_count"].sum() == accepted.height
    assert exact_sum(venues["share_volume"]) == exact_sum(accepted["share_volume"])
    assert accepted.filter(pl.col("share_volume") < 0).is_empty()


@given(st.lists(CHANGE, min_size=1, max_size=12), st.randoms())
@settings(max_examples=examples(60), deadline=None)
def test_the_order_of_rows_decides_nothing(changes: list[dict[str, Any]], random: Any) -> None:
    rows = raw_rows(*changes)
    order = list(range(rows.height))
    random.shuffle(order)
    for one, other in zip(row_rules.split(rows), row_rules.split(rows[order]), strict=True):
        assert one.sort("source_line").equals(other.sort("source_line"))
