"""CSV and JSON as FINRA writes them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import httpx
import pytest

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.dev.finra_sim import Change, Restatement, SimServer, serving
from spine_assets.dev.finra_sim.dataset import FIELDS, FieldKind
from spine_assets_tests.dev.finra_sim.conftest import DATA, JSON, OPTIONS, WEEK, asking, partition

NUMBERS = [name for name, kind in FIELDS.items() if kind is FieldKind.NUMBER]
CURIOUS = 'A"B\\C,d|é'


@pytest.fixture(scope="module")
def curious() -> Iterator[SimServer]:
    """A server with a symbol that breaks naive writers, and fractions of shares."""
    with serving(OPTIONS) as server:
        changes = (Change(CURIOUS, "UBSA", Decimal("12.5"), 3), Change("WHOLE", "UBSA", 7, 1))
        server.sim.archive.restate(
            Restatement(WEEK, Tier.NMS_TIER_1, VenueClass.ATS, date(2025, 12, 15), changes)
        )
        yield server


@pytest.fixture(scope="module")
def asked(curious: SimServer) -> Iterator[httpx.Client]:
    with asking(curious) as client:
        yield client


def texts(server: SimServer) -> list[list[str]]:
    """What is there, as the text of CSV fields."""
    rows = server.sim.rows(WEEK, Tier.NMS_TIER_1).rows()
    return [["" if x is None else text_of(x) for x in row] for row in rows]


def text_of(value: object) -> str:
    number = Decimal(str(value)) if isinstance(value, float) else value
    if isinstance(number, Decimal):
        return format(number, "f").rstrip("0").rstrip(".") if number % 1 else f"{number:.0f}"
    return str(value)


def test_csv_is_the_default_and_quotes_text_and_dates(
    curious: SimServer, asked: httpx.Client
) -> None:
    answer = asked.post(DATA, json={"compareFilters": partition()})
    assert answer.headers["content-type"].startswith("text/plain")
    header, *rows = csv.reader(io.StringIO(answer.text), strict=True)
    assert header == list(FIELDS)
    assert rows == texts(curious)
    assert ',"A""B\\C,d|é",' in answer.text
    assert ',"ATS_W_SMBL_FIRM",12.5,3,' in answer.text


def test_csv_without_quotes_has_names_as_they_are(curious: SimServer, asked: httpx.Client) -> None:
    body = {"compareFilters": partition(), "quoteValues": False, "delimiter": "\t"}
    header, *lines = asked.post(DATA, json=body).text.removesuffix("\n").split("\n")
    assert header.split("\t") == list(FIELDS)
    assert [line.split("\t") for line in lines] == texts(curious)


def test_json_spells_numbers_in_three_ways_that_mean_the_same(
    curious: SimServer, asked: httpx.Client
) -> None:
    answer = asked.post(DATA, json={"compareFilters": partition()}, headers=JSON)
    assert answer.headers["content-type"] == "application/json"
    rows = json.loads(answer.text, parse_float=Decimal)
    expected = curious.sim.rows(WEEK, Tier.NMS_TIER_1).to_dicts()
    for row, there in zip(rows, expected, strict=True):
        for name, value in there.items():
            if name in NUMBERS and value is not None:
                assert Decimal(row[name]) == Decimal(str(value))
            else:
                assert row[name] == (str(value) if isinstance(value, date) else value)
    numbers = re.findall(r'"totalWeeklyShareQuantity":([^,]*)', answer.text)
    ways = [r"\d+(\.\d+)?", r'"\d+(\.\d+)?"', r"\d\.\d+E\d+"]
    found = [sum(bool(re.fullmatch(way, text)) for text in numbers) for way in ways]
    assert sum(found) == len(numbers)
    assert min(found) > 0


def test_json_has_large_dollar_amounts_with_an_exponent(asked: httpx.Client) -> None:
    answer = asked.post(DATA, json={"compareFilters": partition()}, headers=JSON)
    amounts = re.findall(r'"totalNotionalSum":([\d.E]+)', answer.text)
    large = [text for text in amounts if float(text) >= 1e7]
    assert large
    assert all(re.fullmatch(r"\d\.\d+E\d+", text) for text in large)
    assert any(len(text) > 16 for text in amounts)  # the noise of floating-point numbers


def test_blank_values_are_null_in_json_and_empty_in_csv(asked: httpx.Client) -> None:
    body = {
        "compareFilters": partition(),
        "domainFilters": [{"fieldName": "summaryTypeCode", "values": ["OTC_W_SMBL_FIRM"]}],
        "fields": ["MPID", "marketParticipantName", "firmCRDNumber"],
    }
    rows = asked.post(DATA, json=body, headers=JSON).json()
    assert {row["MPID"] for row in rows} == {None}
    lines = asked.post(DATA, json=body).text.splitlines()
    assert ',"De Minimis Firms",0' in lines
    assert {
        "MPID": None,
        "marketParticipantName": "De Minimis Firms",
        "firmCRDNumber": 0,
    } in rows
