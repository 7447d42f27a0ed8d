"""What holds in the views whatever was reported: generated weeks against sums made in Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from spine_assets.otc.tables.concentration import concentration
from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.views.registry import VIEWS
from spine_assets.warehouse.views import derived_views
from spine_assets_tests.support.analysis_lake import BUCKET, OTC, T1, T2, Row, tables_of
from spine_assets_tests.support.examples import examples

FIRST = date(2025, 10, 17)
WEEKS = [FIRST + timedelta(weeks=n) for n in range(7)]
TIERS = (T1, T2, OTC)
SHARES = pl.Decimal(28, 6)
_OTHERS = {"otc_raw", "otc_consolidated_volume"}  # the weeks made here have none
BY_WEEK = [view for view in VIEWS if view.by_week and _OTHERS.isdisjoint(view.deps)]
_BACK = 35  # days that the window reaches back
Answer = list[dict[str, Any]]
Rows = list[Row]

keys = st.tuples(
    st.sampled_from(WEEKS),
    st.sampled_from(TIERS),
    st.sampled_from("AB"),
    st.sampled_from(["UBSA", "INCR", "CRD1", BUCKET]),
)
figures = st.tuples(st.integers(0, 400), st.integers(0, 9))
weeks_of_rows = st.dictionaries(keys, figures, min_size=1, max_size=40).map(
    lambda found: [
        Row(*key, str(Decimal(quarters) / 4), trades) for key, (quarters, trades) in found.items()
    ]
)
generated = settings(
    max_examples=examples(12),
    deadline=None,  # the machine may be busy
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # emptied by each example
)


class Views:
    """The views over tables in memory, whose rows are replaced."""

    def __init__(self) -> None:
        self.connection = duckdb.connect(":memory:")
        for table in TABLES:
            columns = ", ".join(f'"{c.name}" {c.type.value}' for c in table.columns)
            self.connection.execute(f"CREATE TABLE {table.name} ({columns})")
        for statement in derived_views({table.name for table in TABLES}):
            self.connection.execute(statement)

    def fill(self, rows: Rows) -> None:
        """Hold these rows, and what is built from them, alone."""
        self.connection.execute("BEGIN")
        for name, frame in tables_of(rows).items():
            self.connection.execute(f"DELETE FROM {name}")
            places = ", ".join("?" * frame.width)
            self.connection.executemany(f"INSERT INTO {name} VALUES ({places})", frame.rows())
        self.connection.execute("COMMIT")

    def ask(self, sql: str) -> Answer:
        cursor = self.connection.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.fixture(scope="module")
def views() -> Iterator[Views]:
    made = Views()
    yield made
    made.connection.close()


def volumes_of(rows: Rows) -> dict[tuple[date, str, str], Fraction]:
    """Shares by week, tier and symbol."""
    found: dict[tuple[date, str, str], Fraction] = defaultdict(Fraction)
    for row in rows:
        found[row.week, row.tier, row.symbol] += Fraction(row.shares)
    return found


def classes_of(rows: Rows) -> dict[tuple[date, str], set[str]]:
    """Classes loaded by week and tier."""
    found: dict[tuple[date, str], set[str]] = defaultdict(set)
    for row in rows:
        found[row.week, row.tier].add(row.venue_class)
    return found


@generated
@given(rows=weeks_of_rows)
def test_parts_of_a_tier_add_up_to_100(views: Views, rows: Rows) -> None:
    views.fill(rows)
    parts: dict[tuple[object, ...], list[float | None]] = defaultdict(list)
    for row in views.ask("FROM otc_tier_venue_share_all"):
        week_tier = (row["week_ending"], row["tier"])
        parts[*week_tier, row["venue_class"]].append(row["tier_class_share_pct"])
        parts[week_tier].append(row["tier_share_pct"])
    assert len(parts) == len(classes_of(rows)) + len(
        {(r.week, r.tier, r.venue_class) for r in rows}
    )
    for found in parts.values():
        known = [part for part in found if part is not None]
        assert not known or (len(known) == len(found) and sum(known) == pytest.approx(100))


@generated
@given(rows=weeks_of_rows)
def test_a_part_of_a_tier_changes_since_the_nearest_week_of_its_class(
    views: Views, rows: Rows
) -> None:
    views.fill(rows)
    answer = views.ask("FROM otc_tier_venue_share_all")
    scopes = {(r.week, r.tier, r.venue_class) for r in rows}
    parts = {(r["week_ending"], r["tier"], r["mpid"]): r for r in answer}
    for row in answer:
        week, tier, venue_class = row["week_ending"], row["tier"], row["venue_class"]
        earlier = [week - timedelta(weeks=n) for n in range(1, 5)]
        prior = next((day for day in earlier if (day, tier, venue_class) in scopes), None)
        before = parts.get((prior, tier, row["mpid"]), {})
        assert (row["prior_week_ending"], row["is_comparable"]) == (prior, prior is not None)
        assert row["is_new"] == (None if prior is None else not before)
        assert row["prior_tier_class_share_pct"] == before.get("tier_class_share_pct")
        assert row["prior_rank"] == before.get("rank")
        for name, now, then in (
            ("tier_class_share_change_points", row["tier_class_share_pct"], "tier_class_share_pct"),
            ("rank_change", row["rank"], "rank"),
        ):
            known = now is not None and before.get(then) is not None
            assert (row[name] is not None) == known


@generated
@given(rows=weeks_of_rows)
def test_changes_add_up_to_the_difference_of_the_weeks(views: Views, rows: Rows) -> None:
    views.fill(rows)
    totals: dict[tuple[date, str], Fraction] = defaultdict(Fraction)
    for (week, tier, _), volume in volumes_of(rows).items():
        totals[week, tier] += volume
    classes = classes_of(rows)
    changes: dict[tuple[date, str], Fraction] = defaultdict(Fraction)
    priors: dict[tuple[date, str], date | None] = {}
    for row in views.ask("FROM otc_movers_all"):
        here = (row["week_ending"], row["tier"])
        priors[here] = row["prior_week_ending"]
        assert row["is_comparable"] == (row["kind"] is not None)
        if row["is_comparable"]:
            step = row["volume_change"]
            if step is None:
                step = (row["total_volume"] or 0) - (row["prior_volume"] or 0)
            changes[here] += Fraction(step)
    assert priors == {here: prior_of(here, classes) for here in classes}
    for (week, tier), change in changes.items():
        prior = priors[week, tier]
        assert prior is not None
        assert classes[prior, tier] == classes[week, tier]
        assert change == totals[week, tier] - totals[prior, tier]


@generated
@given(rows=weeks_of_rows)
def test_a_symbols_week_has_the_sums_over_its_tiers(views: Views, rows: Rows) -> None:
    views.fill(rows)
    classes = classes_of(rows)
    scopes: dict[date, dict[str, set[str]]] = defaultdict(dict)
    for (week, tier), found in classes.items():
        scopes[week][tier] = found
    answer = views.ask("FROM otc_symbol_week_all")
    by_key = {(row["week_ending"], row["symbol"]): row for row in answer}
    assert by_key.keys() == {(row.week, row.symbol) for row in rows}
    assert len(by_key) == len(answer)
    for (week, symbol), told in by_key.items():
        own = [row for row in rows if (row.week, row.symbol) == (week, symbol)]
        venues: dict[str, Fraction] = defaultdict(Fraction)
        for row in own:
            venues[row.mpid] += Fraction(row.shares)
        total, identified = sum(venues.values()), {*venues} - {BUCKET}
        assert Fraction(told["total_volume"]) == total
        assert told["total_trades"] == sum(row.trades for row in own)
        assert (told["tiers"], told["venue_count"]) == (
            sorted({row.tier for row in own}),
            len(identified),
        )
        loaded = set.intersection(*(classes[week, row.tier] for row in own))
        assert told["classes"] == sorted(loaded)
        for name, of_class in (("ats_volume", "ATS"), ("non_ats_volume", "NON_ATS")):
            part = sum(Fraction(row.shares) for row in own if row.venue_class == of_class)
            assert told[name] == (part if of_class in loaded else None)
        largest = max((venues[venue] for venue in identified), default=None)
        assert told["top_mpid"] == min(
            (venue for venue in identified if venues[venue] == largest), default=None
        )
        if total:
            squares = sum((venues[venue] / total) ** 2 for venue in identified)
            assert told["hhi"] == pytest.approx(float(squares))
        earlier = [week - timedelta(weeks=n) for n in range(1, 5)]
        prior = next((day for day in earlier if day in scopes), None)
        alike = prior is not None and scopes[prior] == scopes[week]
        assert (told["prior_week_ending"], told["is_comparable"]) == (prior, alike)
        before = by_key.get((prior, symbol)) if alike else None
        assert told["prior_volume"] == (before and before["total_volume"])
        step = before and told["total_volume"] - before["total_volume"]
        assert told["volume_change"] == step


def prior_of(here: tuple[date, str], classes: dict[tuple[date, str], set[str]]) -> date | None:
    """The nearest earlier loaded week of the tier, within four."""
    week, tier = here
    earlier = (week - timedelta(weeks=n) for n in range(1, 5))
    return next((found for found in earlier if (found, tier) in classes), None)


@generated
@given(rows=weeks_of_rows)
def test_structure_has_the_totals_of_the_tables(views: Views, rows: Rows) -> None:
    views.fill(rows)
    found = {(r["week_ending"], r["tier"]): r for r in views.ask("FROM otc_market_structure_all")}
    scoped = [*rows, *(Row(**{**vars(row), "tier": "ALL"}) for row in rows)]
    assert set(found) == {(row.week, row.tier) for row in scoped}
    for (week, tier), told in found.items():
        of_scope = [row for row in scoped if (row.week, row.tier) == (week, tier)]
        volume: dict[str, Fraction] = defaultdict(Fraction)
        for row in of_scope:
            volume[row.mpid] += Fraction(row.shares)
        total, identified = sum(volume.values()), set(volume) - {BUCKET}
        assert Fraction(told["total_volume"]) == total
        assert told["total_trades"] == sum(row.trades for row in of_scope)
        assert told["venue_count"] == len(identified)
        venues = Counter(
            symbol
            for symbol, _ in {(row.symbol, row.mpid) for row in of_scope if row.mpid != BUCKET}
        )
        symbols = {row.symbol for row in of_scope}
        assert told["symbol_count"] == len(symbols)
        assert told["venues_per_symbol"] == pytest.approx(venues.total() / len(symbols))
        if total:
            squares = sum(volume[mpid] ** 2 for mpid in identified)
            assert told["hhi"] == pytest.approx(float(squares / total**2))
    by_table = views.ask(
        "SELECT week_ending, sum(total_volume) AS shares, sum(total_trades) AS trades "
        "FROM otc_venue_share GROUP BY ALL"
    )
    for week_told in by_table:
        whole = found[week_told["week_ending"], "ALL"]
        assert (whole["total_volume"], whole["total_trades"]) == (
            week_told["shares"],
            week_told["trades"],
        )


@generated
@given(rows=weeks_of_rows)
def test_windows_hold_the_like_weeks_of_six(views: Views, rows: Rows) -> None:
    views.fill(rows)
    volumes, classes = volumes_of(rows), classes_of(rows)
    told = views.ask("FROM otc_symbol_trend_all")
    assert {(r["week_ending"], r["tier"], r["symbol"]) for r in told} == set(volumes)
    for row in told:
        week, tier, symbol = row["week_ending"], row["tier"], row["symbol"]
        window = [week - timedelta(days=days) for days in range(_BACK, -1, -7)]
        like = [w for w in window if classes.get((w, tier)) == classes[week, tier]]
        traded = [w for w in like if (w, tier, symbol) in volumes]
        assert row["missing_weeks"] == [w for w in window if w not in like]
        assert row["absent_weeks"] == [w for w in like if w not in traded]
        assert (row["window_weeks_loaded"], row["window_weeks_traded"]) == (len(like), len(traded))
        shares = [volumes[w, tier, symbol] for w in traded]
        assert row["avg_6w_volume"] == pytest.approx(float(sum(shares) / len(shares)))
        assert (row["min_6w_volume"], row["max_6w_volume"]) == (min(shares), max(shares))


@generated
@given(rows=weeks_of_rows, week=st.sampled_from(WEEKS))
def test_a_week_is_the_same_by_filter_and_by_range(views: Views, rows: Rows, week: date) -> None:
    """A week of a view by `WHERE` equals the same week by its `_in` macro, in every column."""
    views.fill(rows)
    for view in BY_WEEK:
        by_filter = views.ask(f"FROM {view.every_week} WHERE week_ending = '{week}'")
        by_range = views.ask(f"FROM {view.macro}('{week}', '{week}')")
        of_both = [
            sorted(answer, key=lambda row: [row[name] for name in view.key])
            for answer in (by_filter, by_range)
        ]
        assert of_both[0] == [
            {name: close(value) for name, value in row.items()} for row in of_both[1]
        ], view.name


@generated
@given(rows=weeks_of_rows)
@example(rows=[Row(FIRST, T1, "A", "UBSA", "0", 0), Row(FIRST, T1, "A", BUCKET, "0", 0)])
@example(rows=[Row(FIRST, T1, "A", BUCKET, "12.5", 1)])
@example(rows=[Row(FIRST, T1, "A", "UBSA", "7", 1)])
def test_hhi_is_the_same_in_polars_and_in_sql(views: Views, rows: Rows) -> None:
    views.fill(rows)
    by_symbol = views.ask("""
        SELECT
            s.hhi,
            s.hhi_high,
            otc_hhi(v.share_volume, v.mpid) AS sql_hhi,
            otc_hhi_high(v.share_volume) AS sql_hhi_high
        FROM otc_symbol_summary AS s
        INNER JOIN otc_venue_volume AS v USING (week_ending, tier, symbol)
        GROUP BY week_ending, tier, symbol, s.hhi, s.hhi_high
    """)
    assert len(by_symbol) == len(volumes_of(rows))
    for row in by_symbol:
        assert row["hhi"] == equal(row["sql_hhi"])
        assert row["hhi_high"] == equal(row["sql_hhi_high"])
    for row in views.ask("FROM otc_market_structure_all"):
        volumes: dict[str, Decimal] = defaultdict(Decimal)
        for item in rows:
            if item.week == row["week_ending"] and row["tier"] in {item.tier, "ALL"}:
                volumes[item.mpid] += Decimal(item.shares)
        found = concentration(
            pl.DataFrame(
                [*volumes.items()], {"mpid": pl.String, "total_volume": SHARES}, orient="row"
            )
        )
        assert (found.shares, found.venues) == (row["total_volume"], row["venue_count"])
        assert found.hhi == equal(row["hhi"])
        assert found.hhi_high == equal(row["hhi_high"])
        assert found.effective_venues == equal(row["effective_venues"])
        assert found.top_share_pct == equal(row["top_share_pct"])
        if found.shares:
            assert found.top_mpid == row["top_mpid"]


def close(value: Any) -> Any:
    """A sum in another order differs in its last digits; everything else is the same."""
    return pytest.approx(value, rel=1e-12) if isinstance(value, float) else value


def equal(value: float | None) -> Any:
    """Equal but for the last digits of a sum in another order; None is only None."""
    return None if value is None else pytest.approx(value, rel=1e-12)
