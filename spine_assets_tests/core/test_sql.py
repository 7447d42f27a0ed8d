"""Quoted names and texts reach DuckDB as they are, whatever they hold."""

from __future__ import annotations

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from spine_assets.core.sql import identifier, literal

# DuckDB's parser ends a statement at a zero byte; names of files and columns hold none.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(TEXTS, TEXTS)
def test_a_quoted_name_and_text_come_back_unchanged(name: str, text: str) -> None:
    with duckdb.connect(":memory:") as connection:
        found = connection.execute(f"SELECT {literal(text)} AS {identifier(name)}")
        assert found.description is not None
        assert found.description[0][0] == name
        assert found.fetchall() == [(text,)]
