"""Templates: strict names, values that never become SQL."""

from __future__ import annotations

from datetime import date

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine_assets.pipelines.yaml.templates import (
    TemplateError,
    Value,
    bound,
    names_in,
    names_in_sql,
    render,
)

VALUES: dict[str, Value] = {
    "tenant_id": "acme",
    "week_ending": date(2025, 11, 21),
    "symbols": ["AAPL", "MSFT"],
    "swing_pct": 25,
    "loud": True,
    "nothing": None,
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{tenant_id}-x", "acme-x"),
        ("{week_ending}", "2025-11-21"),
        ("{symbols} by {swing_pct}", "AAPL, MSFT by 25"),
        ("{loud}", "true"),
        ("no names", "no names"),
        ("{{tenant_id}} {{", "{tenant_id} {"),
    ],
)
def test_names_are_replaced(text: str, said: str) -> None:
    assert render(text, VALUES) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{tenant}", "there is no {tenant}; did you mean tenant_id? known: loud, nothing,"),
        ("{zzz}", "there is no {zzz}; known: loud, nothing, swing_pct, symbols, tenant_id"),
        ("{ tenant_id }", "belongs to no {name}"),
        ("{tenant-id}", "belongs to no {name}"),
        ("{tenant_id", "belongs to no {name}"),
        ("{tenant_id!r}", "belongs to no {name}"),
        ("{tenant_id.__class__}", "belongs to no {name}"),
        ("{nothing}", "{nothing} has no value in this run"),
    ],
)
def test_what_is_not_known_is_an_error_that_lists_what_is(text: str, said: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render(text, VALUES)
    assert said in str(caught.value)


@given(st.text(), st.text())
def test_a_value_is_not_looked_at_again(text: str, value: str) -> None:
    plain = text.replace("{", "{{").replace("}", "}}")
    assert render(f"{plain}{{v}}{plain}", {"v": value}) == f"{text}{value}{text}"


@given(st.text(max_size=40))
def test_a_value_in_sql_is_a_parameter_whatever_it_holds(value: str) -> None:
    sql, parameters = bound("SELECT {v} AS v, {{'a': 1}}['a'] WHERE {v} = {v}".replace("{{", "{")
                            .replace("}}", "}"), {"v": value, "other": 1})  # fmt: skip
    assert sql == "SELECT $v AS v, {'a': 1}['a'] WHERE $v = $v"
    if "\x00" not in value:
        with duckdb.connect(":memory:") as connection:
            assert connection.execute(sql, parameters).fetchall() == [(value, 1)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM t WHERE day = '{day}'",
        "SELECT * FROM t WHERE day = 'before {day}'",
        'SELECT * FROM "{table}"',
        "SELECT $${day}$$",
        "SELECT E'{day}'",
    ],
)
def test_a_name_in_quotes_is_refused(sql: str) -> None:
    with pytest.raises(TemplateError, match="is in quotes; remove them"):
        names_in_sql(sql)


def test_a_name_in_a_comment_is_none() -> None:
    sql = "SELECT {a} -- of {b}\n, /* {c} */ {d}"
    assert names_in_sql(sql) == ["a", "d"]
    assert bound(sql, {"a": 1, "d": 2}) == ("SELECT $a -- of {b}\n, /* {c} */ $d", {"a": 1, "d": 2})


def test_lists_and_dates_are_bound_with_their_types() -> None:
    sql, parameters = bound("SELECT 'MSFT' IN {symbols}, {week_ending} + 1", VALUES)
    with duckdb.connect(":memory:") as connection:
        assert connection.execute(sql, parameters).fetchone() == (True, date(2025, 11, 22))


def test_letters_of_several_bytes_move_no_name() -> None:
    sql = "SELECT 'Zürich €' AS place, {a} AS \"größe\", '{'"
    assert bound(sql, {"a": 1})[0] == sql.replace("{a}", "$a")
    with pytest.raises(TemplateError, match="is in quotes"):
        names_in_sql("SELECT 'äöüß€', '{a}'")


def test_names_are_found_once_and_in_order() -> None:
    assert names_in("{b} {a} {b} {{c}}") == ["b", "a"]
