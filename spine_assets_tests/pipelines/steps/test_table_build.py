"""Tables of steps: rows made, checked and published; what is wrong is not published."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError

from spine_assets.lake.names import PART
from spine_assets.otc.state.results import CheckResult, TableBuilt
from spine_assets.pipelines.steps.engine import EngineExecutionError
from spine_assets.pipelines.steps.table_build import Built
from spine_assets_tests.conftest import WEEK, House, delivered, line
from spine_assets_tests.pipelines.places import COLUMNS, built, table_flow

QUERY = (
    "SELECT symbol, sum(total_volume)::DECIMAL(38,6) AS total_volume FROM otc_symbol_summary "
    "WHERE week_ending = {week_ending} GROUP BY symbol"
)


def rows(house: House, table: str = "volumes") -> dict[str, Decimal]:
    found = house.lake.read(house.lake.part(table, WEEK))
    return dict(zip(found["symbol"], found["total_volume"], strict=True))


def checks(found: Built) -> dict[str, CheckResult]:
    return {event.check: event for event in found.events if isinstance(event, CheckResult)}


def table_built(found: Built) -> TableBuilt | None:
    return next((event for event in found.events if isinstance(event, TableBuilt)), None)


def test_rows_are_stored_with_their_week_and_exact_types(loaded: House) -> None:
    found = built(table_flow(QUERY), loaded)
    assert rows(loaded) == {"AAAA": Decimal("100.5"), "BBBB": Decimal(5)}
    assert (found.rows, found.failed) == (2, ())
    stored = loaded.lake.read(loaded.lake.part("volumes", WEEK))
    assert stored.columns == ["week_ending", "symbol", "total_volume"]
    assert set(stored["week_ending"]) == {WEEK}


def test_the_same_rows_are_not_written_again(loaded: House) -> None:
    first = table_built(built(table_flow(QUERY), loaded))
    part = loaded.lake.part("volumes", WEEK)
    before = loaded.lake.stamp(part)
    second = table_built(built(table_flow(QUERY), loaded))
    assert first is not None
    assert second is not None
    assert (first.unchanged, second.unchanged) == (False, True)
    assert first.data_version == second.data_version
    assert loaded.lake.stamp(part) == before
    forced = table_built(built(table_flow(QUERY), loaded, force=True))
    assert forced is not None
    assert not forced.unchanged
    if loaded.place is None:  # a bucket calls equal bytes one object
        assert loaded.lake.stamp(part) != before
    less = QUERY.replace("GROUP", "AND symbol = 'AAAA' GROUP")
    third = table_built(built(table_flow(less), loaded))
    assert third is not None
    assert third.data_version != first.data_version
    assert list(rows(loaded)) == ["AAAA"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            QUERY.replace("otc_symbol_summary", "otc_symbols"),
            "reads otc_symbols, which is no table",
        ),
        ("SELECT 'X' AS symbol", "lacks total_volume"),
        (QUERY.replace("symbol,", "symbol, 1 AS more,"), "has also more"),
        ("SELECT 'X' AS symbol, 'many' AS total_volume", "does not fit its declared type"),
        (
            "SELECT week_ending, 'X' AS symbol, 1 AS total_volume FROM "
            "(VALUES ({week_ending} - 7), ({week_ending})) AS weeks(week_ending)",
            "rows of 1 other weeks (2025-11-14); ask for week_ending = {week_ending}",
        ),
        (
            "SELECT nope FROM otc_symbol_summary WHERE week_ending = {week_ending}",
            'column "nope" not found',
        ),
    ],
)
def test_what_cannot_be_a_table_is_told_and_changes_nothing(
    loaded: House, query: str, said: str
) -> None:
    built(table_flow(QUERY), loaded)
    before = rows(loaded)
    with pytest.raises(EngineExecutionError) as caught:
        built(table_flow(query), loaded)
    assert said in str(caught.value)
    assert rows(loaded) == before


def test_two_rows_of_one_key_are_not_published(loaded: House) -> None:
    built(table_flow(QUERY), loaded)
    found = built(table_flow(f"{QUERY} UNION ALL {QUERY}"), loaded)
    assert found.failed == ("schema",)
    assert table_built(found) is None
    assert len(rows(loaded)) == 2
    assert loaded.lake.entries("volumes", f"week_ending={WEEK}") == [PART]


def test_a_value_outside_its_range_is_not_published(loaded: House) -> None:
    found = built(table_flow(QUERY.replace("sum(", "-sum(")), loaded)
    assert found.failed == ("schema",)
    assert "greater_than_or_equal_to" in str(checks(found)["schema"].samples)
    assert not loaded.lake.part("volumes", WEEK).exists()


CHECKED = f"""{COLUMNS}
      checks:
        - name: known
          description: Every symbol is one of those watched.
          todo: Look at the list.
          sql: SELECT symbol FROM new_rows WHERE NOT symbol IN {{symbols}}
          severity: SEVERITY
        - {{name: some, description: There are some., rows: ">= 2"}}
"""


def test_a_failed_check_keeps_the_earlier_rows_and_shows_the_wrong_ones(loaded: House) -> None:
    built(table_flow(QUERY.replace("GROUP", "AND symbol = 'AAAA' GROUP")), loaded)
    flow = table_flow(QUERY, columns=CHECKED.replace("SEVERITY", "ERROR"),
                      variables="{symbols: [AAAA]}")  # fmt: skip
    found = built(flow, loaded)
    assert found.failed == ("known",)
    known = checks(found)["known"]
    assert known.samples == [{"symbol": "BBBB"}]
    assert "1 rows are wrong: Every symbol is one of those watched. Look at the list." in (
        known.summary
    )
    assert checks(found)["some"].passed
    assert list(rows(loaded)) == ["AAAA"]


def test_a_warning_is_told_and_the_rows_are_published(loaded: House) -> None:
    flow = table_flow(QUERY, columns=CHECKED.replace("SEVERITY", "WARN"),
                      variables="{symbols: [AAAA]}")  # fmt: skip
    found = built(flow, loaded)
    assert found.failed == ()
    assert not checks(found)["known"].passed
    assert list(rows(loaded)) == ["AAAA", "BBBB"]


def test_too_few_rows_are_told_with_their_number(loaded: House) -> None:
    flow = table_flow(f"{QUERY} LIMIT 1", columns=CHECKED.replace("SEVERITY", "WARN"),
                      variables="{symbols: [AAAA, BBBB]}")  # fmt: skip
    found = built(flow, loaded)
    assert found.failed == ("some",)
    assert "1 rows, and there must be >= 2" in checks(found)["some"].summary


def test_a_week_that_is_behind_its_files_is_not_read(loaded: House) -> None:
    loaded.drop(f"week_ending={WEEK}/t2.csv", delivered(line("CCCC", tier="NMS Tier 2")))
    loaded.built(["otc_raw"])
    with pytest.raises(EngineExecutionError) as caught:
        built(table_flow(QUERY), loaded)
    assert f"week {WEEK} of otc_symbol_summary is stale" in str(caught.value)
    loaded.built()
    assert built(table_flow(QUERY), loaded).rows == 3


def test_a_view_is_there_when_its_tables_are(loaded: House) -> None:
    query = (
        "SELECT symbol, 1 AS total_volume FROM otc_symbol_trend_in({week_ending}, {week_ending})"
    )
    assert built(table_flow(query), loaded).rows == 2
    other = WEEK - timedelta(days=7)
    with pytest.raises(
        EngineExecutionError, match=f"week {other} of otc_symbol_summary is missing"
    ):
        built(table_flow(query), loaded, week=other)


def test_a_table_upon_another_one_of_its_pipeline(loaded: House) -> None:
    query = "SELECT symbol, total_volume FROM volumes WHERE week_ending = {week_ending}"
    with pytest.raises(EngineExecutionError, match="reads volumes, which is no table"):
        built(table_flow(query, name="second"), loaded)
    built(table_flow(QUERY), loaded)
    assert built(table_flow(query, name="second"), loaded).rows == 2
    other = WEEK - timedelta(days=7)
    with pytest.raises(EngineExecutionError, match=f"week {other} of volumes is not built"):
        built(table_flow(query, name="second"), loaded, week=other)


def test_a_table_made_before_its_inputs_changed_is_not_read(loaded: House) -> None:
    query = "SELECT symbol, total_volume FROM volumes WHERE week_ending = {week_ending}"
    built(table_flow(QUERY), loaded)
    built(table_flow(query, name="second"), loaded)
    # Another tier comes in: the table that stands between is behind, although it is there.
    loaded.drop(f"week_ending={WEEK}/t2.csv", delivered(line("CCCC", tier="NMS Tier 2")))
    loaded.built()
    with pytest.raises(EngineExecutionError) as caught:
        built(table_flow(query, name="second"), loaded)
    assert f"week {WEEK} of volumes was made before otc_symbol_summary changed" in str(caught.value)
    built(table_flow(QUERY), loaded)
    assert built(table_flow(query, name="second"), loaded).rows == 3


def test_inputs_that_changed_nothing_are_noted(loaded: House) -> None:
    only = QUERY.replace("GROUP", "AND symbol = 'AAAA' GROUP")
    query = "SELECT symbol, total_volume FROM volumes WHERE week_ending = {week_ending}"
    built(table_flow(only), loaded)
    loaded.drop(f"week_ending={WEEK}/t2.csv", delivered(line("CCCC", tier="NMS Tier 2")))
    loaded.built()
    again = table_built(built(table_flow(only), loaded))
    assert again is not None
    assert again.unchanged
    assert built(table_flow(query, name="second"), loaded).rows == 1


def test_a_weekly_query_without_its_week_is_refused(loaded: House) -> None:
    with pytest.raises(ValidationError, match="its rows would be of all weeks"):
        built(table_flow("SELECT symbol, total_volume FROM otc_symbol_summary"), loaded)


def test_a_table_without_weeks_is_one_file(loaded: House) -> None:
    query = QUERY.replace("WHERE week_ending = {week_ending} ", "")
    found = built(table_flow(query, partitions="none"), loaded, week=None)
    assert found.rows == 2
    assert loaded.lake.read(loaded.lake.part("volumes", None)).columns == ["symbol", "total_volume"]
    # and can be read by others
    assert built(table_flow("FROM volumes", name="second", partitions="none"), loaded, week=None)


FUNCTION = """
pipeline_id: flow
description: A flow.
partitions: weekly
steps:
  - step_id: twice
    ps_type: polars.python
    source: {tables: [otc_symbol_summary], weeks_back: 1}
    config: {function: "spine_assets_tests.pipelines.functions:NAME"}
    destination:
      table: twice
      description: Twice the volume.
      grain: a symbol a week
      key: [symbol]
      columns:
        - {name: symbol, type: VARCHAR, description: Ticker.}
        - {name: twice, type: DOUBLE, unit: shares, description: Twice the volume.}
"""


def test_a_python_function_makes_a_table(loaded: House) -> None:
    assert built(FUNCTION.replace("NAME", "doubled"), loaded).rows == 2
    found = loaded.lake.read(loaded.lake.part("twice", WEEK))
    assert dict(zip(found["symbol"], found["twice"], strict=True)) == {"AAAA": 201.0, "BBBB": 10.0}


def test_a_function_is_given_the_weeks_it_asks_for_and_no_more(loaded: House) -> None:
    for weeks in (1, 2):
        week = WEEK - timedelta(days=7 * weeks)
        loaded.drop(f"week_ending={week}/otc.csv", delivered(line("AAAA", updated="2025-12-22")))
        loaded.built(week=week)
    built(FUNCTION.replace("NAME", "weeks_seen"), loaded)
    found = loaded.lake.read(loaded.lake.part("twice", WEEK))
    assert found["symbol"].to_list() == ["2025-11-14,2025-11-21"]


def test_a_function_that_returns_no_frame(loaded: House) -> None:
    with pytest.raises(EngineExecutionError, match="returned NoneType; it must return a Polars"):
        built(FUNCTION.replace("NAME", "nothing"), loaded)


def test_a_function_that_is_not_there() -> None:
    from spine_assets_tests.pipelines.flows import pipelines_of

    with pytest.raises(ValidationError, match="there is no function"):
        pipelines_of(FUNCTION.replace("NAME", "nope"))


@pytest.mark.parametrize("view", ["otc_symbol_trend", "OTC_SYMBOL_TREND"])
def test_a_week_that_a_view_hides_as_incomplete_is_no_table_without_rows(
    loaded: House, view: str
) -> None:
    query = f"SELECT symbol, total_volume FROM {view} WHERE week_ending = {{week_ending}}"
    with pytest.raises(
        EngineExecutionError, match=r"is not complete .* or read otc_symbol_trend_a"
    ):
        built(table_flow(query), loaded)
    assert built(table_flow(query.replace(view, "otc_symbol_trend_all")), loaded).rows == 2
    macro = "SELECT symbol, total_volume FROM otc_symbol_trend_in({week_ending}, {week_ending})"
    assert built(table_flow(macro), loaded).rows == 2


def test_a_name_of_a_with_clause_hides_no_missing_week(loaded: House) -> None:
    built(table_flow(QUERY), loaded)
    reader = (
        "WITH volumes AS (FROM volumes WHERE week_ending = {week_ending}) "
        "SELECT symbol, total_volume FROM volumes"
    )
    with pytest.raises(EngineExecutionError, match="of volumes is not built"):
        built(table_flow(reader, name="reader"), loaded, week=WEEK - timedelta(days=7))
