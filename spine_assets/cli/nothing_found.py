"""Why a query has no rows: what is likely, each a fact that was looked up in the data.

Belongs here: the hints. Does not belong here: reading the statement (`warehouse.query_terms`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date
from typing import Any

import click
import duckdb

from spine_assets.cli.errors import how_to_load
from spine_assets.core.text import counted
from spine_assets.core.weeks import Tier, WeekError, require_friday
from spine_assets.lake.base import Lake
from spine_assets.otc.tables import raw, symbol_summary, venue_share
from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.views.registry import CALENDAR, VIEWS
from spine_assets.warehouse.query_terms import QueryTerms, count_rows, terms_of, with_table

_WEEK = "week_ending"
_CHOICES = ("tier", "tier_name", "venue_class")
_COLUMNS = {
    **{table.name: table.columns for table in TABLES},
    **{view.name: view.columns for view in VIEWS},
    **{view.every_week: view.columns for view in VIEWS if view.by_week},
}
_BY_WEEK = {view.name: view.every_week for view in VIEWS if view.by_week}
_OF_WEEKS = {*_COLUMNS, *(view.macro for view in VIEWS if view.by_week), "otc_raw_current"}
_NEWEST_COMPLETE = "SELECT max(week_ending) FROM otc_venue_share WHERE is_complete"
_SYMBOLS = """
    SELECT DISTINCT symbol FROM otc_symbol_summary WHERE upper(symbol) = upper($1) ORDER BY ALL
"""
_MPIDS = "SELECT DISTINCT mpid FROM otc_venue_share WHERE upper(mpid) = upper($1) ORDER BY ALL"
_SPELLINGS = (
    ("symbol", symbol_summary.TABLE.name, _SYMBOLS),
    ("mpid", venue_share.TABLE.name, _MPIDS),
)


def explain(
    connection: duckdb.DuckDBPyConnection, lake: Lake, sql: str, rows: list[tuple[Any, ...]]
) -> None:
    """Print on standard error why an answer has no rows, or one row of nulls and zeros.

    Args:
        connection: Where it was asked.
        lake: The tables.
        sql: The query.
        rows: The answer.
    """
    is_empty = not rows
    if rows and (len(rows) > 1 or any(rows[0])):
        return
    terms = terms_of(connection, sql)
    if terms is None or not (terms.tables & _OF_WEEKS - {CALENDAR.name}):
        return
    weeks = lake.weeks(raw.TABLE.name)
    if not weeks:
        _say([f"no week is loaded: {how_to_load()}"], is_empty=is_empty)
        return
    found = [
        *_days(terms, weeks),
        *(hint for names in _SPELLINGS for hint in _spelt(connection, terms, *names)),
        *_choices(terms),
        *_incomplete(connection, sql, terms),
    ]
    if is_empty and not found:
        found = [_loaded(connection, weeks)]
    _say(found, is_empty=is_empty)


def nothing_captured(lake: Lake, week: date | None) -> str:
    """Why there is no capture, of a week or at all."""
    weeks = lake.weeks(raw.TABLE.name)
    if not weeks:
        return f"no file is captured yet: {how_to_load()}"
    return f"nothing of week {week} is captured; {loaded_weeks(weeks)}"


def loaded_weeks(weeks: list[date]) -> str:
    """`12 weeks are loaded, 2025-09-05 to 2025-11-21`."""
    if len(weeks) == 1:
        return f"one week is loaded, {weeks[0]}"
    return f"{counted(len(weeks), 'week')} are loaded, {weeks[0]} to {weeks[-1]}"


def _say(found: Iterable[str], *, is_empty: bool) -> None:
    for hint in found:
        click.echo(f"{'no rows' if is_empty else 'note'}: {hint}", err=True)


def _days(terms: QueryTerms, weeks: list[date]) -> Iterator[str]:
    """Days that are no Fridays, and weeks that are not loaded or not built."""
    built = {*weeks}
    for text in sorted(terms.compared.get(_WEEK, ())):
        try:
            day = date.fromisoformat(text.strip())
            require_friday(day)
        except WeekError as error:
            yield str(error)
        except ValueError:
            continue
        else:
            if day not in built:
                yield f"week {day} is not loaded; {loaded_weeks(weeks)}"


def _spelt(
    connection: duckdb.DuckDBPyConnection, terms: QueryTerms, column: str, table: str, sql: str
) -> Iterator[str]:
    """Symbols or venues that no week has, and how they are spelt there."""
    for text in sorted(terms.compared.get(column, ())):
        with suppress(duckdb.Error):
            found = [name for (name,) in connection.execute(sql, [text]).fetchall()]
            if text in found:
                continue
            if not found:
                yield f"{table} has no {column} {text!r} in any week"
                continue
            spelt = " and ".join(map(repr, found))
            case = "is written in upper case" if found == [text.upper()] else "differs in case"
            yield f"there is no {column} {text!r}; {spelt} {case}"


def _choices(terms: QueryTerms) -> Iterator[str]:
    """Texts that a column with a few values cannot hold, with these values."""
    delivered = {tier.value: tier.description for tier in Tier if tier.value != tier.description}
    for column in _CHOICES:
        for text in sorted(terms.compared.get(column, ())):
            if column == "tier" and terms.tables & {raw.TABLE.name, "otc_raw_current"}:
                if text in delivered:
                    yield (
                        f"in {raw.TABLE.name} the column tier has FINRA's text, such as "
                        f"'{delivered[text]}': write tier_name = '{text}'"
                    )
                continue
            known = [
                declared.isin
                for table in sorted(terms.tables & {*_COLUMNS})
                for declared in _COLUMNS[table]
                if declared.name == column and declared.isin
            ]
            if known and not any(text in values for values in known):
                values = ", ".join(dict.fromkeys(value for isin in known for value in isin))
                yield f"{column} is one of {values}, not {text!r}"


def _incomplete(
    connection: duckdb.DuckDBPyConnection, sql: str, terms: QueryTerms
) -> Iterator[str]:
    """Views of complete weeks whose view of all weeks has rows."""
    for view in sorted(terms.tables & {*_BY_WEEK}):
        every = _BY_WEEK[view]
        if rows := count_rows(connection, with_table(sql, view, every)):
            yield (
                f"{view} has only complete weeks, with all three tiers loaded; with {every} this "
                f"query has {counted(rows, 'row')}"
            )


def _loaded(connection: duckdb.DuckDBPyConnection, weeks: list[date]) -> str:
    """Which weeks are loaded, and the newest complete one."""
    newest = None
    with suppress(duckdb.Error):
        ((newest,),) = connection.execute(_NEWEST_COMPLETE).fetchall()
    complete = f"the newest complete one is {newest}" if newest else "none is complete yet"
    return f"{loaded_weeks(weeks)}; {complete}"
