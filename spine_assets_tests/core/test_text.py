"""Text from anybody is one bounded line that cannot act, and a slip finds the known name."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine_assets.core.text import (
    CUT,
    MOST_CHARS,
    MOST_NAMED,
    Shown,
    counted,
    cut,
    named,
    nearest,
    one_line,
)

ANY_TEXT = st.text(
    st.one_of(st.characters(), st.sampled_from(list("\x00\x1b\x7f\x9b\u202e\u2066\ud800 \r\n.")))
)
"""Every character there is, lone surrogates too, and those that act more often."""


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


@given(ANY_TEXT, st.integers(len(CUT), 60))
def test_text_from_outside_is_shown_as_one_printable_bounded_line(text: str, most: int) -> None:
    shown = Shown(text, most)
    assert shown.isprintable()
    assert len(shown) <= most
    assert shown.encode("utf-8").decode() == shown
    assert shown == one_line(text) or shown.endswith(CUT)


@given(ANY_TEXT, st.integers(len(CUT), 60))
def test_what_is_shown_stays_what_it_is(text: str, most: int) -> None:
    shown = Shown(text, most)
    assert Shown(shown, most) == Shown(str(shown), most) == Shown(shown) == shown


def test_a_long_text_is_escaped_only_as_far_as_it_is_shown() -> None:
    shown = Shown("\x1b" * 50_000_000)
    assert (len(shown), shown[:4]) == (MOST_CHARS - 1, "\\x1b")  # 249 escapes and the mark
    assert Shown("a" + " " * 50_000_000 + "b") == "a..."


@given(st.lists(ANY_TEXT, max_size=60), st.integers(1, 30))
def test_of_many_texts_the_first_are_named_and_the_others_counted(
    texts: list[str], most: int
) -> None:
    lines = named(texts, "\n", most, 50).split("\n")
    assert lines[:most] == [str(Shown(text, 50)) for text in texts[:most] or [""]]
    assert lines[most:] == ([f"and {len(texts) - most} more"] if len(texts) > most else [])


def test_twenty_are_named_where_nothing_else_is_said() -> None:
    assert named(["x"] * (MOST_NAMED + 1_000)).endswith("x, and 1,000 more")


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
