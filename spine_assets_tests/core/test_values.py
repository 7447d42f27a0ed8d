"""Values for programs are exact, and whole shares are whole numbers."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

from spine_assets.core.values import csv_text, metadata_value, number, plain, records


def test_decimals_are_whole_numbers_or_exact_text() -> None:
    assert plain(Decimal("1200.000000")) == 1200
    assert plain(Decimal("0.100000")) == "0.1"
    assert plain([Decimal(3), date(2025, 11, 21), None]) == [3, "2025-11-21", None]


def test_a_number_that_can_be_plotted_is_exact_where_it_is_whole() -> None:
    large = number(Decimal(2**60 + 1))
    assert (large, type(large)) == (2**60 + 1, int)
    assert number(Decimal("0.5")) == 0.5


def test_rows_are_json_objects_and_csv_with_a_header() -> None:
    rows = [(Decimal("2.50"), True), (None, [1, 2])]
    assert records(["a", "b"], rows) == [{"a": "2.5", "b": True}, {"a": None, "b": [1, 2]}]
    assert json.loads(json.dumps(records(["a", "b"], rows))) == records(["a", "b"], rows)
    assert csv_text(["a", "b"], rows) == 'a,b\n2.5,true\n,"[1, 2]"\n'


def test_text_in_metadata_is_escaped_and_bounded() -> None:
    assert metadata_value("a\x1b[31m\u202e") == "a\\x1b[31m\\u202e"
    long = metadata_value("x" * 1_000_000)
    assert isinstance(long, str)
    assert long.endswith("x... (1,000,000 characters)")
    assert metadata_value(long) == long
    assert metadata_value(Decimal("2.50")) == "2.5"
