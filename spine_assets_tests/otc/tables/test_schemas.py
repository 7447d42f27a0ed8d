"""The short form of a table's schema finds fault with the same frames as the long one."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from pathlib import Path

import pandera.errors
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spine_assets.core.pandera_schema import pandera_schema
from spine_assets.core.table_schema import follows, is_in_order
from spine_assets.core.tables import Column, Table, Type
from spine_assets.dev.sample import generate_week
from spine_assets.dev.sample.control_totals import totals_of
from spine_assets.otc.tables.registry import TABLES, table
from spine_assets_tests.conftest import NOW, WEEK, House
from spine_assets_tests.support.examples import examples

CHECKED = tuple(item.name for item in TABLES if item.checks)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    """A good week of each table that has checks, restated in every tier and class."""
    house = House(Path(tmp_path_factory.mktemp("house")))
    for seed in (1, 2):
        for file in generate_week(WEEK, seed=seed, rows=150, include_non_ats=True):
            totals = totals_of(file)
            house.drop(f"{seed}/{file.path}", file.content)
            house.drop(f"{seed}/{totals.path}", totals.content)
        house.built(now=NOW + timedelta(days=seed))
    found = {name: house.table(name) for name in CHECKED}
    return found | {"otc_raw": found["otc_raw"].sort("capture_id", "source_line")}


def is_sound(declared: Table, frame: pl.DataFrame, *, at_once: bool) -> bool:
    try:
        pandera_schema(declared, at_once=at_once).validate(frame, lazy=True)
    except (pandera.errors.SchemaErrors, pandera.errors.SchemaError):
        return False
    return True


def faults(column: Column) -> list[tuple[str, pl.Expr]]:
    """Values that a column may not hold."""
    found = []
    if not column.nullable:
        found.append((f"{column.name} is null", pl.lit(None)))
    if column.ge is not None:
        found.append((f"{column.name} is too small", pl.lit(column.ge - 1)))
    if column.le is not None:
        found.append((f"{column.name} is too large", pl.lit(column.le + 1)))
    if column.isin is not None:
        found.append((f"{column.name} is unknown", pl.lit("nothing of ours")))
    return found


@pytest.mark.parametrize("name", CHECKED)
def test_both_forms_pass_what_is_good(frames: dict[str, pl.DataFrame], name: str) -> None:
    assert is_sound(table(name), frames[name], at_once=True)
    assert is_sound(table(name), frames[name], at_once=False)


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize("row", [0, -1])
def test_both_forms_find_every_forbidden_value(
    frames: dict[str, pl.DataFrame], name: str, row: int
) -> None:
    declared, frame = table(name), frames[name]
    here = pl.int_range(pl.len()) == row % frame.height
    tried = 0
    for column in declared.columns:
        for what, value in faults(column):
            bad = frame.with_columns(
                pl.when(here)
                .then(value.cast(frame.schema[column.name]))
                .otherwise(pl.col(column.name))
                .alias(column.name)
            )
            assert not is_sound(declared, bad, at_once=True), what
            assert not is_sound(declared, bad, at_once=False), what
            tried += 1
    assert tried > 5


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        *product(CHECKED, ["twice", "less", "more", "other type"]),
        # Of others the key may be null, so that their order is not judged.
        *((name, "turned") for name in CHECKED if table(name).is_ordered_by_key),
    ],
)
def test_both_forms_find_rows_and_columns_that_are_wrong(
    frames: dict[str, pl.DataFrame], name: str, spoil: str
) -> None:
    declared, frame = table(name), frames[name]
    bad = {
        "twice": lambda: pl.concat([frame.head(1), frame]),
        "turned": lambda: frame.reverse(),  # noqa: PLW0108 - one type for all
        "less": lambda: frame.drop("week_ending"),
        "more": lambda: frame.with_columns(more=pl.lit(1)),
        "other type": lambda: frame.with_columns(week_ending=pl.lit("2025-11-21")),
    }[spoil]()
    assert not is_sound(declared, bad, at_once=True)
    assert not is_sound(declared, bad, at_once=False)


ROWS = st.lists(st.tuples(st.sampled_from("abAB"), st.integers(-2, 2)), max_size=6)


@settings(max_examples=examples(200), deadline=None)
@given(rows=ROWS, strictly=st.booleans())
def test_order_is_pythons_order(rows: list[tuple[str, int]], strictly: bool) -> None:
    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.Int64}, orient="row")
    expected = rows == sorted(rows) and (not strictly or len({*rows}) == len(rows))
    assert is_in_order(frame, ["a", "b"], strictly=strictly) is expected


def test_a_null_follows_nothing() -> None:
    frame = pl.DataFrame({"a": ["x", None, "y"]})
    assert frame.select(follows(["a"]))["a"].to_list() == [True, False, False]


def test_a_table_whose_order_is_not_its_key_is_looked_through_for_twins() -> None:
    declared = Table(
        name="t",
        description="",
        grain="",
        key=("a", "b"),
        sort=("a",),
        columns=(Column("a", Type.TEXT, ""), Column("b", Type.COUNT, "")),
        code_version="1",
    )
    twins = pl.DataFrame({"a": ["x", "x", "x"], "b": [1, 2, 1]})
    assert not is_sound(declared, twins, at_once=True)
    assert is_sound(declared, twins.head(2), at_once=True)
