"""Text from anybody is one bounded line that cannot act, and a slip finds the known name."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine_assets.core.text import CUT, counted, cut, nearest, one_line


@given(st.text())
def test_a_line_holds_no_line_end_and_nothing_that_acts(text: str) -> None:
    assert one_line(text).isprintable()


def test_what_would_act_is_written_out() -> None:
    assert one_line("a\r\n b\tc\x1b[31m\u202e") == "a b c\\x1b[31m\\u202e"


@given(st.text(alphabet="a<&\u00e9"), st.integers(len(CUT), 40))
def test_a_cut_text_is_within_its_limit_also_once_it_is_escaped(text: str, limit: int) -> None:
    found = cut(text, limit, html.escape)
    assert len(html.escape(found)) <= limit
    assert found == text or (found.endswith(CUT) and text.startswith(found.removesuffix(CUT)))


def test_a_text_that_fits_is_not_cut() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abc..."


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 weeks"), (1, "1 week"), (1_200, "1,200 weeks")]
)
def test_nouns_are_counted(number: int, said: str) -> None:
    assert counted(number, "week") == said


def test_a_slip_finds_the_known_name_and_another_word_all_of_them() -> None:
    assert nearest("otc.ingst", ["otc.ingest", "otc.summarize"]) == "did you mean otc.ingest?"
    assert nearest("weather", ["otc.ingest", "hello"]) == "known: otc.ingest, hello"
