"""Rows of an answer as the text of a file, and a file's name."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine_assets.core.weeks import FIRST_WEEK, Tier, VenueClass, weeks_between
from spine_assets.finra.api import Dataset, Question
from spine_assets.finra.delivered import FetchedName, content, of_part, packed, read_name
from spine_assets.finra.errors import FinraContradicts
from spine_assets.otc.delivery.file_format import parse
from spine_assets.otc.delivery.placement import Grain, WeekSource, place

WEEK = date(2025, 11, 21)
TODAY = date(2026, 1, 5)
QUESTION = Question(WEEK, Tier.OTC, Dataset.CURRENT, VenueClass.ATS)
NAME = st.text(
    st.one_of(st.sampled_from('|" a,\t'), st.characters(exclude_categories=["Cs", "Cc", "Zs"])),
    max_size=6,
).map(lambda text: f"{text}x")
WEEKS = weeks_between(FIRST_WEEK, date(2030, 12, 27))


def row(**changes: Any) -> dict[str, Any]:
    """A row as FINRA delivers it."""
    return {
        "tierIdentifier": "OTCE",
        "tierDescription": "OTC",
        "issueSymbolIdentifier": "QZRTF",
        "issueName": "Quartz Harbor Robotics",
        "MPID": "OTCX",
        "marketParticipantName": "OTCX OTC LINK ECN ATS",
        "firmCRDNumber": None,
        "productTypeCode": "OTCE",
        "summaryTypeCode": "ATS_W_SMBL_FIRM",
        "totalWeeklyShareQuantity": 1200,
        "totalWeeklyTradeCount": 7,
        "totalNotionalSum": None,
        "weekStartDate": "2025-11-17",
        "lastUpdateDate": "2025-12-22",
        "initialPublishedDate": "2025-12-22",
        "lastReportedDate": "2025-12-19",
        **changes,
    }


def fields(text: bytes, line: int = 1) -> dict[str, str]:
    header, *lines = text.decode().splitlines()
    return dict(zip(header.split("|"), lines[line - 1].split("|"), strict=True))


class TestText:
    @pytest.mark.parametrize(
        ("told", "written"),
        [
            ("1200", "1200"),
            ("1.2E3", "1200"),
            ('"1.2345678E7"', "12345678"),
            ("1200.0", "1200"),
            ("12.5", "12.5"),
            ('"12.500000"', "12.500000"),
            ("0.1", "0.1"),
            ("1234567890123456789.123456", "1234567890123456789.123456"),
            ("1E-6", "0.000001"),
            ("-5", "-5"),
            ('"6,753,871"', "6,753,871"),  # no number: it becomes a reject, as delivered
            ('"abc"', "abc"),
            ("null", ""),
            ('"1E999999"', "1E999999"),
        ],
    )
    def test_quantities_are_plain_and_exact(self, told: str, written: str) -> None:
        quantity = json.loads(told, parse_float=Decimal)
        text = content([row(totalWeeklyShareQuantity=quantity)], QUESTION)
        assert fields(text)["totalWeeklyShareQuantity"] == written

    @given(st.decimals(min_value=0, max_value=10**12, places=6))
    def test_any_quantity_is_read_back_as_it_was(self, quantity: Decimal) -> None:
        for told in (quantity, f"{quantity:E}", str(quantity)):
            text = content([row(totalWeeklyShareQuantity=told)], QUESTION)
            assert parse(text, TODAY).rows["totalWeeklyShareQuantity"].to_list() == [quantity]

    def test_the_file_is_placed_by_its_columns(self) -> None:
        parsed = parse(content([row()], QUESTION), TODAY)
        found = place(parsed, FetchedName((WEEK, Tier.OTC, VenueClass.ATS), datetime.now(UTC)).path)
        assert (found.key, found.week_source) == (
            (WEEK, Tier.OTC, VenueClass.ATS),
            WeekSource.COLUMN,
        )
        assert parsed.rejects.is_empty()

    def test_the_order_of_the_answer_changes_nothing(self) -> None:
        rows = [row(issueSymbolIdentifier=symbol, MPID=mpid) for symbol in "CAB" for mpid in "YX"]
        assert content(rows, QUESTION) == content(rows[::-1], QUESTION)

    def test_rows_that_are_twice_stay_twice(self) -> None:
        assert len(content([row(), row()], QUESTION).splitlines()) == 3

    def test_a_tier_that_is_not_described_is_named(self) -> None:
        text = content([row(tierDescription=None)], QUESTION)
        assert fields(text)["tierDescription"] == "OTC"

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"weekStartDate": "2025-11-10"}, "weekStartDate '2025-11-10' came"),
            ({"tierIdentifier": "T1"}, "tierIdentifier 'T1' came, but 'OTCE' was requested"),
            ({"summaryTypeCode": "OTC_W_SMBL"}, "summaryTypeCode 'OTC_W_SMBL' came"),
            ({"issueName": "A\rB"}, "issueName of 'QZRTF' is 'A\\rB'"),
            ({"marketParticipantName": "A\nB"}, "1 values contain a line end"),
        ],
    )
    def test_what_was_not_asked_for_or_cannot_be_written_is_refused(
        self, changes: dict[str, Any], told: str
    ) -> None:
        with pytest.raises(FinraContradicts) as caught:
            content([row(), row(**changes)], QUESTION)
        assert told in str(caught.value)

    @given(st.lists(st.tuples(NAME, NAME), min_size=1, max_size=4))
    def test_any_name_is_read_back_as_it_was(self, names: list[tuple[str, str]]) -> None:
        rows = [
            row(issueSymbolIdentifier=f"S{n}", issueName=issue, marketParticipantName=firm)
            for n, (issue, firm) in enumerate(names)
        ]
        parsed = parse(content(rows, QUESTION), TODAY)
        assert parsed.rejects.is_empty()
        assert parsed.rows["notes"].is_null().all()
        columns = ("issueName", "marketParticipantName")
        assert parsed.rows.select(columns).rows() == [
            (issue.strip(" \t"), firm.strip(" \t")) for issue, firm in names
        ]

    def test_only_a_line_with_a_pipe_is_quoted_and_only_where_it_must_be(self) -> None:
        text = content(
            [row(), row(issueSymbolIdentifier="QZRTG", issueName='A|"B"', firmCRDNumber="7")],
            QUESTION,
        )
        _, plain, quoted = text.decode().splitlines()
        assert '"' not in plain
        assert '|"A|""B"""|' in quoted
        assert quoted.count('"') == 6

    def test_the_same_text_packs_to_the_same_bytes(self) -> None:
        text = content([row()], QUESTION)
        assert packed(text) == packed(text)


def test_a_crd_number_with_an_exponent_is_written_plain_and_any_other_as_it_came() -> None:
    for told, written in ((Decimal("9.9502E+5"), "995020"), ("00116797", "00116797"), (0, "0")):
        assert fields(content([row(firmCRDNumber=told)], QUESTION))["firmCRDNumber"] == written


def test_rows_by_venue_and_control_totals_are_two_parts_of_each_class() -> None:
    kinds = [
        f"{side}_W_{kind}"
        for side in ("ATS", "OTC")
        for kind in ("SMBL", "SMBL_FIRM", "FIRM", "VOL_STATS")
    ]
    rows = [row(summaryTypeCode=kind) for kind in kinds]
    assert of_part(rows, VenueClass.ATS, Grain.VENUES) == [rows[1]]
    assert of_part(rows, VenueClass.NON_ATS, Grain.VENUES) == [rows[5]]
    assert of_part(rows, VenueClass.ATS, Grain.TOTALS) == [rows[0], *rows[2:4]]
    assert of_part(rows, VenueClass.NON_ATS, Grain.TOTALS) == [rows[4], *rows[6:]]


def test_a_total_is_blank_where_it_is_of_nothing_in_particular() -> None:
    total = row(
        summaryTypeCode="ATS_W_VOL_STATS",
        **dict.fromkeys(["issueSymbolIdentifier", "issueName", "MPID", "marketParticipantName"]),
    )
    found = fields(content([total], QUESTION))
    assert [found[name] for name in ("issueSymbolIdentifier", "MPID", "marketParticipantName")] == [
        "",
        "",
        "",
    ]
    assert found["totalWeeklyShareQuantity"] == "1200"


@given(
    st.sampled_from(WEEKS),
    st.sampled_from(list(Tier)),
    st.sampled_from(list(VenueClass)),
    st.integers(1_400_000_000, 2_200_000_000).map(
        lambda seconds: datetime.fromtimestamp(seconds, UTC)
    ),
    st.sampled_from(list(Grain)),
)
def test_a_name_tells_what_is_in_the_file(
    week: date, tier: Tier, venue_class: VenueClass, at: datetime, grain: Grain
) -> None:
    name = FetchedName((week, tier, venue_class), at, grain)
    assert read_name(name.path.rpartition("/")[2]) == name


def test_totals_are_named_beside_their_rows() -> None:
    at = datetime(2025, 12, 22, 14, tzinfo=UTC)
    name = FetchedName((WEEK, Tier.NMS_TIER_1, VenueClass.ATS), at, Grain.TOTALS)
    assert name.path == "finra/2025/week_2025-11-21.T1.class=ats.totals.20251222T140000Z.csv.gz"


@pytest.mark.parametrize(
    "name",
    ["week_2025-11-21.csv", "notes.txt", "week_2025-11-21.T9.class=ats.20260101T000000Z.csv.gz"],
)
def test_other_names_tell_nothing(name: str) -> None:
    assert read_name(name) is None
