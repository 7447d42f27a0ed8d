"""Quoted names and texts reach DuckDB as they are, whatever they hold."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spine_assets.core.sql import identifier, literal

# DuckDB's parser ends a statement at a zero byte; names of files and columns hold none.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        yield connection


@settings(deadline=None)  # the first query of a busy machine takes its time
@given(name=TEXTS, text=TEXTS)
def test_a_quoted_name_and_text_come_back_unchanged(
    connection: duckdb.DuckDBPyConnection, name: str, text: str
) -> None:
    found = connection.execute(f"SELECT {literal(text)} AS {identifier(name)}")
    assert found.description is not None
    assert found.description[0][0] == name
    assert found.fetchall() == [(text,)]
