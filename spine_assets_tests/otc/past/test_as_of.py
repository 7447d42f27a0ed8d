"""Any table as it was known at a time equals what was materialized then."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from spine_assets.core.table_schema import polars_schema
from spine_assets.core.weeks import Tier
from spine_assets.otc.captures import pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.pins import PinAction
from spine_assets.otc.past.as_of import NotKnown, table_as_of, table_now
from spine_assets.otc.state.results import NoInput
from spine_assets.otc.tables import raw
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect
from spine_assets_tests.conftest import (
    ALL,
    NOW,
    PUBLISHED,
    PUBLISHED_TIER_1,
    RAW,
    REVISED,
    SHARES,
    VENUES,
    WEEK,
    House,
    delivered,
    line,
)
from spine_assets_tests.support.examples import examples

# What differs between two equal builds, beside captured_at and the input columns, which an
# answer about the past shares with what was materialized.
BUILD = ["capture_id", "build_id"]
PUBLICATION = {Tier.NMS_TIER_1: PUBLISHED_TIER_1, Tier.OTC: PUBLISHED}


def comparable(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    """A table without the name of its build, in an order of its own."""
    kept = frame if table in ("otc_raw", "otc_rejects") else frame.drop(BUILD)
    return kept.sort(pl.all().exclude(pl.List), nulls_last=True)


def current_tables(house: House) -> dict[str, pl.DataFrame]:
    """All tables of the week as they stand, of captures those that count."""
    return {name: comparable(table_now(house.lake, name, WEEK), name) for name in ALL}


@dataclass(frozen=True)
class Dropped:
    """A file arrives: figures of two symbols (None: the symbol is not in the file).

    `common` are rows that all files share, so that no two look like parts of one delivery; one of a
    few is a part of one with many, which waits.
    """

    tier: Tier
    updated: str
    figures: tuple[int | None, int | None]
    bad_line: bool
    common: int

    def content(self) -> bytes:
        symbols = zip(("AAAA", "BBBB"), self.figures, strict=True)
        lines = [
            line(name, shares=str(volume), tier=self.tier.description, updated=self.updated)
            for name, volume in symbols
            if volume is not None
        ]
        common = [
            line(f"Z{n}", tier=self.tier.description, updated=PUBLICATION[self.tier])
            for n in range(self.common)
        ]
        bad = line("CCCC", shares="abc", tier=self.tier.description, updated=self.updated)
        return delivered(*common, *lines, *([bad] if self.bad_line else []))


@dataclass(frozen=True)
class Pinned:
    """A person pins or retracts one of the captures so far, or releases its pin."""

    pick: int
    action: PinAction


def drops() -> st.SearchStrategy[Dropped]:
    volume = st.none() | st.integers(min_value=-1, max_value=5)
    return st.sampled_from(list(PUBLICATION)).flatmap(
        lambda tier: st.builds(
            Dropped,
            st.just(tier),
            st.sampled_from([PUBLICATION[tier], REVISED]),
            st.tuples(volume, volume),
            st.booleans(),
            st.sampled_from([1, 20, 20]),
        )
    )


history = st.lists(
    drops() | st.builds(Pinned, st.integers(0, 9), st.sampled_from(PinAction)),
    min_size=1,
    max_size=6,
)


def happen(house: House, number: int, event: Dropped | Pinned, now: datetime) -> None:
    """One event of a history."""
    if isinstance(event, Dropped):
        house.drop(f"{number}.csv", event.content())
        return
    stored = captures.stored(house.lake, WEEK)
    if stored:
        chosen = stored[event.pick % len(stored)]
        released = event.action is PinAction.RELEASE
        name = pins.RELEASED if released else chosen.capture_id
        pins.add(house.lake, WEEK, chosen.key, name, now, event.action)


@given(history)
@settings(max_examples=examples(15), deadline=None)
def test_a_replayed_history_equals_what_was_materialized_then(
    events: list[Dropped | Pinned],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        house.landing.mkdir()
        then: list[tuple[datetime, dict[str, pl.DataFrame] | None]] = []
        for number, event in enumerate(events):
            now = NOW + timedelta(hours=number)
            happen(house, number, event, now)
            result = house.build(now=now)
            assert result.error is None or isinstance(result.error, NoInput)
            then.append((now, current_tables(house) if result.error is None else None))
        with connect(house.lake, TABLES) as warehouse:
            for moment, tables in then:
                # Half an hour on nothing has happened yet.
                for asked in (moment, moment + timedelta(minutes=30)):
                    assert_known(house, asked, tables)
                rows = _query(warehouse, "FROM otc_raw_as_of(?)", moment)
                expected = tables["otc_raw"] if tables else rows.clear()
                assert_frame_equal(comparable(rows, "otc_raw"), expected)


def _query(warehouse: duckdb.DuckDBPyConnection, sql: str, moment: datetime) -> pl.DataFrame:
    """Rows of a query under the declared types of otc_raw."""
    rows = warehouse.execute(sql, [moment]).fetchall()
    return pl.DataFrame(rows, schema=polars_schema(raw.TABLE), orient="row")


def assert_known(house: House, moment: datetime, tables: dict[str, pl.DataFrame] | None) -> None:
    """What the lake knows of a moment is what stood then."""
    for name in ALL:
        if tables is None:
            with pytest.raises(NotKnown):
                table_as_of(house.lake, name, WEEK, moment)
        else:
            found = comparable(table_as_of(house.lake, name, WEEK, moment), name)
            assert_frame_equal(found, tables[name])


@pytest.fixture
def corrected(house: House) -> House:
    """A week captured at NOW and corrected a day later."""
    kept = [line("KEPT", shares="5"), *(line(f"Z{n}") for n in range(10))]
    house.drop("first.csv", delivered(*kept, line("AAAA", shares="100"), line("GONE", shares="7")))
    house.built()
    house.drop("second.csv", delivered(*kept, line("AAAA", shares="90", updated=REVISED)))
    house.built(now=NOW + timedelta(days=1))
    return house


def volumes(frame: pl.DataFrame) -> dict[str, int]:
    """Volumes of the symbols that tell the two captures apart."""
    rows = frame["symbol", "share_volume"].iter_rows()
    return {symbol: int(volume) for symbol, volume in rows if not symbol.startswith("Z")}


def test_a_capture_counts_from_the_second_of_its_capture_on(corrected: House) -> None:
    second = NOW + timedelta(days=1)
    before = table_as_of(corrected.lake, VENUES, WEEK, second - timedelta(seconds=1))
    after = table_as_of(corrected.lake, VENUES, WEEK, second)
    assert (volumes(before), volumes(after)) == (
        {"AAAA": 100, "GONE": 7, "KEPT": 5},
        {"AAAA": 90, "KEPT": 5},
    )


def test_a_moment_of_another_zone_is_that_instant(corrected: House) -> None:
    in_tokyo = datetime.fromisoformat("2026-01-21T21:00:00+09:00")  # NOW and a day
    assert volumes(table_as_of(corrected.lake, VENUES, WEEK, in_tokyo)) == {"AAAA": 90, "KEPT": 5}


def test_a_moment_without_a_zone_is_refused(corrected: House) -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        table_as_of(corrected.lake, VENUES, WEEK, NOW.replace(tzinfo=None))


def test_before_the_first_capture_nothing_is_known_and_the_error_says_since_when(
    corrected: House,
) -> None:
    with pytest.raises(NotKnown, match=r"captured at 2026-01-20 12:00:00 UTC"):
        table_as_of(corrected.lake, SHARES, WEEK, NOW - timedelta(seconds=1))


def test_of_a_week_that_never_came_nothing_is_known(house: House) -> None:
    with pytest.raises(NotKnown, match="spine backfill 2025-11-14"):
        table_as_of(house.lake, RAW, date(2025, 11, 14), NOW)


def test_what_is_built_from_older_captures_is_not_passed_off_as_the_present(
    corrected: House,
) -> None:
    (first, _) = captures.stored(corrected.lake, WEEK)
    pins.add(corrected.lake, WEEK, first.key, first.capture_id, NOW + timedelta(days=2))
    with pytest.raises(NotKnown, match="older than its captures; run dagster asset materialize"):
        table_now(corrected.lake, VENUES, WEEK)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize(
    "moment",
    [
        "TIMESTAMP '2026-01-21 11:59:59'",
        "TIMESTAMPTZ '2026-01-21 20:59:59+09'",
        "'2026-01-21 11:59:59'",
        "'2026-01-21T11:59:59Z'",
        "'2026-01-21 06:59:59-05'",
        "'2026-01-21 06:59:59 America/New_York'",
        "DATE '2026-01-21'",
    ],
)
def test_a_moment_in_sql_does_not_depend_on_the_zone_of_the_session(
    corrected: House, zone: str, moment: str
) -> None:
    with connect(corrected.lake, TABLES) as warehouse:
        warehouse.execute(f"SET TimeZone = '{zone}'")
        query = f"SELECT symbol, share_volume FROM otc_raw_as_of({moment}) WHERE symbol[1] <> 'Z'"
        assert dict(warehouse.execute(query).fetchall()) == {"AAAA": 100, "GONE": 7, "KEPT": 5}


def test_as_of_now_in_sql_is_what_counts(corrected: House) -> None:
    with connect(corrected.lake, TABLES) as warehouse:
        current = warehouse.execute("FROM otc_raw_current").fetchall()
        assert len(current) == 12
        assert warehouse.execute("FROM otc_raw_as_of(now())").fetchall() == current
        assert warehouse.execute("FROM otc_raw_as_of(?)", [datetime.now(UTC)]).fetchall() == current
