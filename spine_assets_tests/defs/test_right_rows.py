"""Rows that real data has and that a simple reading gets wrong, through the real job.

Every case is the files of a week of its own, and all weeks are one run of the job. Lines that are
wrong by themselves are in `test_bad_lines`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import dagster as dg
import pytest

from spine_assets.core.weeks import Tier, monday_of, publication_day
from spine_assets_tests.support.projects import Outcome
from spine_assets_tests.support.sites import Figures, Site, Week, content, opened

LAST_WEEK = date(2025, 11, 21)
API_HEADER = (
    "tierDescription|tierIdentifier|issueSymbolIdentifier|issueName|marketParticipantName|MPID|"
    "firmCRDNumber|productTypeCode|summaryTypeCode|totalWeeklyShareQuantity|"
    "totalWeeklyTradeCount|totalNotionalSum|weekStartDate|lastUpdateDate"
)


def firm(
    shares: object = 100,
    *,
    symbol: str = "AAAA",
    issue: str = "Alpha Corp",
    name: str = "ACME LLC",
    crd: str = "7059",
    product: str = "",
    notional: str = "1.5",
    mpid: str = "",
    cls: str = "OTC",
) -> str:
    """A line of an answer of the API; `WEEK` and `DAY` stand for its week's days."""
    return (
        f"OTC|OTCE|{symbol}|{issue}|{name}|{mpid}|{crd}|{product}|{cls}_W_SMBL_FIRM|{shares}|2|"
        f"{notional}|WEEK|DAY"
    )


def ats(shares: object = 100, *, mpid: str = "OTCX", **more: str) -> str:
    """The same of an ATS."""
    return firm(shares, **{"mpid": mpid, "crd": "", "cls": "ATS", "name": f"{mpid} ATS", **more})


class Case(NamedTuple):
    """The lines of one file or several, and the venue rows that they give."""

    files: tuple[tuple[str, ...], ...]
    figures: Figures


def one(figures: dict[tuple[str, str], tuple[int, int]], *lines: str) -> Case:
    return Case((lines,), {key: (Decimal(s), trades) for key, (s, trades) in figures.items()})


POOL = {("AAAA", "DE_MINIMIS"): (100, 2), ("AAAA", "CRD7059"): (100, 2)}
ACME = {("AAAA", "CRD7059"): (110, 4)}
CASES: dict[str, Case] = {
    "two product types": one(
        {("AAAA", "OTCX"): (170_000, 4), ("BBBB", "OTCX"): (100, 2)},
        ats(100_000, product="NNM"),
        ats(70_000, product="UTP"),
        ats(symbol="BBBB"),
    ),
    "pool by number, name blank": one(POOL, firm(crd="0", name=""), firm()),
    "pool by number, another name": one(POOL, firm(crd="0.0", name="Small Firms"), firm()),
    "pool in the singular": one(POOL, firm(crd="", name="De Minimis Firm"), firm()),
    "pool with a star": one(POOL, firm(crd="", name="DE MINIMIS FIRMS*"), firm()),
    "number of pandas": one(ACME, firm(), firm(10, crd="7059.0")),
    "number with zeros": one(ACME, firm(), firm(10, crd="0007059")),
    "words for nothing": one(
        {
            ("AAAA", "FIRM:ACME LLC"): (1000, 2),
            ("AAAA", "FIRM:BETA"): (500, 2),
            ("AAAA", "CRD7059"): (70, 2),
        },
        firm(1000, crd="nan", mpid="null"),
        firm(500, crd="None", name="BETA", mpid="nan"),
        firm(70, name="NaN", mpid="N/A"),
    ),
    "unattributed": one(
        {("AAAA", "OTCX"): (100, 2), ("AAAA", "UNATTRIBUTED"): (900, 2)},
        ats(),
        ats(900, mpid="", name=""),
    ),
    "amount in floating point": one(
        {("AAAA", "OTCX"): (12_000_000, 2), ("BBBB", "OTCX"): (100, 2)},
        ats(12_000_000, notional="163.70999999999998"),
        ats(symbol="BBBB", notional="1.5E7"),
    ),
    "amount that is none": one({("AAAA", "OTCX"): (100, 2)}, ats(notional="n/k")),
    "number that is none": one({("AAAA", "FIRM:ACME LLC"): (100, 2)}, firm(crd="n/k")),
    "both classes": Case(
        ((ats(60),), (firm(40), firm(5, symbol="BBBB"))),
        {
            ("AAAA", "OTCX"): (Decimal(60), 2),
            ("AAAA", "CRD7059"): (Decimal(40), 2),
            ("BBBB", "CRD7059"): (Decimal(5), 2),
        },
    ),
    "ATS alone": one({("AAAA", "OTCX"): (60, 2)}, ats(60)),
}
WEEKS = {name: LAST_WEEK - timedelta(weeks=at) for at, name in enumerate(CASES)}


class Batch(NamedTuple):
    """The site of all cases after their run."""

    site: Site
    outcome: Outcome

    def week(self, name: str) -> Week:
        return self.site.week(WEEKS[name], self.outcome)


def delivered(week: date, lines: tuple[str, ...]) -> bytes:
    days = {"WEEK": str(monday_of(week)), "DAY": str(publication_day(week, Tier.OTC))}
    texts = [line.replace("WEEK", days["WEEK"]).replace("DAY", days["DAY"]) for line in lines]
    return content(*texts, header=API_HEADER)


@pytest.fixture(scope="module")
def batch(
    tmp_path_factory: pytest.TempPathFactory, code_location: dg.Definitions
) -> Iterator[Batch]:
    """Every case in its week, built by one run."""
    with opened(tmp_path_factory.mktemp("rows"), code_location, forgets=True) as site:
        for name, week in WEEKS.items():
            for number, lines in enumerate(CASES[name].files):
                site.drop(f"{week}-{number}.csv", delivered(week, lines))
        yield Batch(site, site.runner.range(min(WEEKS.values()), LAST_WEEK))


@pytest.mark.parametrize("name", CASES)
def test_every_share_is_in_the_tables_under_its_venue(batch: Batch, name: str) -> None:
    assert batch.site.refusals() == {}
    case, week = CASES[name], batch.week(name)
    assert week.is_built
    week.assert_totals_are(case.figures)
    assert week.rejects == []
    week.assert_nothing_is_lost(*(delivered(week.week, lines) for lines in case.files))


def test_product_types_are_counted_and_kept(batch: Batch) -> None:
    week = batch.week("two product types")
    counts = dict(week.rows("symbol, issue_count", "otc_venue_volume"))
    assert counts == {"AAAA": 2, "BBBB": 1}
    assert week.rows("share_volume, product_type", "otc_raw", "symbol = 'AAAA'") == [
        (Decimal(70_000), "UTP"),
        (Decimal(100_000), "NNM"),
    ]


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("pool")])
def test_the_pool_has_no_rank_and_no_part_in_concentration(batch: Batch, name: str) -> None:
    week = batch.week(name)
    ranks = dict(week.rows("mpid, rank", "otc_venue_share"))
    assert ranks == {"DE_MINIMIS": None, "CRD7059": 1}
    ((count, top, hhi, high),) = week.rows(
        "venue_count, top_mpid, hhi, hhi_high", "otc_symbol_summary"
    )
    assert (count, top, hhi, high) == (1, "CRD7059", 0.25, 0.5)


def test_unattributed_volume_counts_in_totals_and_as_no_venue(batch: Batch) -> None:
    week = batch.week("unattributed")
    ((total, part, count, top, hhi, high),) = week.rows(
        "total_volume, ats_volume, venue_count, top_mpid, hhi, hhi_high", "otc_symbol_summary"
    )
    assert (total, part, count, top) == (1000, 1000, 1, "OTCX")
    assert (hhi, high) == (pytest.approx(0.01), pytest.approx(0.82))
    assert dict(week.rows("mpid, rank", "otc_venue_share")) == {"OTCX": 1, "UNATTRIBUTED": None}


def test_an_amount_in_floating_point_is_noted_and_no_warning(batch: Batch) -> None:
    week = batch.week("amount in floating point")
    assert week.rows("symbol, notional, notes", "otc_raw") == [
        ("AAAA", Decimal("163.71"), "TOO_PRECISE totalNotionalSum"),
        ("BBBB", Decimal(15_000_000), None),
    ]
    found = week.check("otc_raw", "notes")
    assert found.passed
    assert found.metadata["TOO_PRECISE totalNotionalSum"].value == 1
    assert "1 amounts are rounded" in week.said("otc_raw", "notes")


@pytest.mark.parametrize(
    ("name", "column", "note"),
    [
        ("amount that is none", "notional", "NOT_A_NUMBER totalNotionalSum"),
        ("number that is none", "firm_crd", "NOT_A_NUMBER firmCRDNumber"),
    ],
)
def test_a_value_that_is_left_out_is_noted_and_warned_of(
    batch: Batch, name: str, column: str, note: str
) -> None:
    week = batch.week(name)
    assert week.rows(f"{column}, notes", "otc_raw") == [(None, note)]
    found = week.check("otc_raw", "notes")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    (shown,) = week.sample("otc_raw", "notes")
    assert shown["notes"] == note


def test_a_class_that_is_not_loaded_is_null(batch: Batch) -> None:
    parts = "symbol, ats_volume, non_ats_volume, classes"
    assert batch.week("ATS alone").rows(parts, "otc_symbol_summary") == [
        ("AAAA", 60, None, ["ATS"])
    ]
    assert batch.week("both classes").rows(parts, "otc_symbol_summary") == [
        ("AAAA", 60, 40, ["ATS", "NON_ATS"]),
        ("BBBB", 0, 5, ["ATS", "NON_ATS"]),
    ]


def test_one_filter_by_tier_works_on_every_table(batch: Batch) -> None:
    week = batch.week("both classes")
    assert len(week.rows("symbol", "otc_raw", "tier_name = 'OTC'")) == 3
    assert len(week.rows("symbol", "otc_venue_volume", "tier = 'OTC'")) == 3
    builds = week.rows("DISTINCT build_id = capture_id", "otc_venue_volume")
    assert builds == [(True,)]


def test_two_versions_joined_are_refused_and_named(
    tmp_path_factory: pytest.TempPathFactory, code_location: dg.Definitions
) -> None:
    lines = [ats(100 + n, symbol=f"S{n}") for n in range(20)]
    changed = [ats(200 + n, symbol=f"S{n}") for n in range(7)]
    with opened(tmp_path_factory.mktemp("joined"), code_location) as site:
        site.drop("joined.csv", delivered(LAST_WEEK, (*lines, *lines[7:], *changed)))
        site.drop("firms.csv", delivered(LAST_WEEK, (firm(),)))
        week = site.week(LAST_WEEK, site.runner.week(LAST_WEEK))
        week.assert_totals_are({("AAAA", "CRD7059"): (Decimal(100), 2)})
        assert "two versions of one file, joined" in week.findings()["joined.csv"]


def test_a_firm_by_name_and_later_by_number_is_one_venue_to_the_checks(
    tmp_path_factory: pytest.TempPathFactory, code_location: dg.Definitions
) -> None:
    """A week by download and the next by API: no venue came, went or moved."""
    before = LAST_WEEK - timedelta(weeks=1)
    names = [f"Firm {n}, Inc." for n in range(5)]
    with opened(tmp_path_factory.mktemp("weeks"), code_location, forgets=True) as site:
        for day, crd in ((before, ""), (LAST_WEEK, "1")):
            lines = [firm(100, name=name, crd=crd and f"{n}1") for n, name in enumerate(names)]
            site.drop(f"{day}.csv", delivered(day, tuple(lines)))
        week = site.week(LAST_WEEK, site.runner.range(before, LAST_WEEK))
        assert week.check("otc_venue_volume", "continuity").passed
        assert week.check("otc_venue_share", "share_shift").passed
        site.drop(
            "later.csv",
            delivered(
                before,
                tuple(firm(100, name=n.upper(), crd=f"{i}1") for i, n in enumerate(names)),
            ).replace(str(publication_day(before, Tier.OTC)).encode(), b"2025-12-30"),
        )
        week = site.week(before, site.runner.week(before))
        assert week.rows("rows_added, rows_removed, rows_changed", "otc_restatements") == [
            (0, 0, 0)
        ]
        assert week.check("otc_restatements", "size").passed


BAD_KINDS = {
    "totalWeeklyShareQuantity": {
        "BLANK_NUMBER": "",
        "NOT_A_NUMBER": "6,753,871",
        "TOO_PRECISE": "1.0000001",
        "OUT_OF_RANGE": "1" + "0" * 22,
        "IMPLAUSIBLE": "1" + "0" * 13,
        "NEGATIVE": "-5",
    },
    "lastUpdateDate": {"BAD_DATE": "12/22/2025", "FUTURE_DATE": "2199-01-01"},
    "issueSymbolIdentifier": {"ODD_CHARACTER": "A\u200bA", "BLANK_SYMBOL": ""},
    "summaryTypeCode": {"SUMMARY_TYPE": "ATS_W_NEW"},
}


def test_eleven_kinds_of_bad_value_in_one_file_are_each_found(
    tmp_path_factory: pytest.TempPathFactory, code_location: dg.Definitions
) -> None:
    names = API_HEADER.split("|")
    kinds = [(r, column, v) for column, kinds in BAD_KINDS.items() for r, v in kinds.items()]
    lines = [ats(symbol=f"GOOD{n}") for n in range(9)]
    for number, (_, column, value) in enumerate(kinds):
        cells = ats(symbol=f"BAD{number}").split("|")
        cells[names.index(column)] = value
        lines.append("|".join(cells))
    with opened(tmp_path_factory.mktemp("kinds"), code_location) as site:
        text = delivered(LAST_WEEK, tuple(lines))
        site.drop("bad.csv", text)
        week = site.week(LAST_WEEK, site.runner.week(LAST_WEEK))
        found = week.rows("reason, field", "otc_rejects")
        assert sorted(found) == sorted((reason, column) for reason, column, _ in kinds)
        check = week.check("otc_raw", "rejects")
        assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
        assert {row["reason"] for row in week.sample("otc_raw", "rejects")} == {
            reason for reason, _, _ in kinds
        }
        assert len(week.venues) == 9
        week.assert_nothing_is_lost(text)


def test_weeks_are_compared_with_weeks_of_the_same_classes_alone(
    tmp_path_factory: pytest.TempPathFactory, code_location: dg.Definitions
) -> None:
    """The first files of firms arrive: 30 million shares more, and no symbol moved."""
    weeks = [LAST_WEEK - timedelta(weeks=back) for back in (2, 1, 0)]
    with opened(tmp_path_factory.mktemp("classes"), code_location, forgets=True) as site:
        for number, day in enumerate(weeks):
            for tier in Tier:
                own = (f"\n{tier.description}|{tier.api_id}|", str(publication_day(day, tier)))
                others = ("\nOTC|OTCE|", str(publication_day(day, Tier.OTC)))
                for line in (ats(100 + number), firm(30_000_000))[: 1 + (day == LAST_WEEK)]:
                    text = delivered(day, (line,)).decode()
                    for other, mine in zip(others, own, strict=True):
                        text = text.replace(other, mine)
                    site.drop(f"{day}-{tier}-{len(line)}.csv", text.encode())
        outcome = site.runner.range(weeks[0], LAST_WEEK)
        assert outcome.success
        assert site.refusals() == {}
        movers = site.rows(
            "SELECT week_ending, volume_change, kind, is_comparable FROM otc_movers "
            "WHERE tier = 'OTC' ORDER BY week_ending"
        )
        assert movers == [
            (weeks[0], None, None, False),
            (weeks[1], 1, "UP", True),
            (weeks[2], None, None, False),
        ]
        trend = site.rows(
            "SELECT week_ending, window_weeks_loaded, avg_6w_volume, volume_vs_avg_pct "
            "FROM otc_symbol_trend WHERE tier = 'OTC' ORDER BY week_ending"
        )
        assert trend == [
            (weeks[0], 1, 100.0, None),
            (weeks[1], 2, 100.5, 1.0),
            (weeks[2], 1, 30_000_102.0, None),
        ]
        complete = site.rows(
            "SELECT DISTINCT week_ending, classes, is_complete FROM otc_venue_share"
        )
        assert sorted(complete) == [
            (weeks[0], ["ATS"], True),
            (weeks[1], ["ATS"], True),
            (weeks[2], ["ATS", "NON_ATS"], True),
        ]
