"""Where answers come from: the database, the lake, or the tables as they were at another time.

The database answers in milliseconds. Where it lacks what the lake has, views over the lake answer,
so that no answer is older than the tables. An earlier state is built from captures for the weeks of
a question. Belongs here: opening a connection. Does not belong here: what is asked (`otc`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import duckdb
import polars as pl

from spine_assets.core.settings import Settings
from spine_assets.core.sql import table_ddl
from spine_assets.core.weeks import Tier, publication_day, weeks_between
from spine_assets.lake.base import Lake, LakeError
from spine_assets.lake.opening import open_lake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.past.as_of import NotKnown, table_as_of
from spine_assets.otc.past.as_published import table_as_published
from spine_assets.otc.tables import consolidated, raw, symbol_summary, venue_share, venue_volume
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect
from spine_assets.warehouse.database import differing_weeks
from spine_assets.warehouse.database_contents import contents_of
from spine_assets.warehouse.views import derived_views

WINDOW = timedelta(days=35)
"""How far views look back from a week."""
_PAST = (venue_volume.TABLE, symbol_summary.TABLE, venue_share.TABLE)
_THREADS = 2  # weeks that are built at once; Polars uses all cores besides
Moment = datetime | date


@dataclass
class AnswerSource:
    """The data of one place, as it is or as it was.

    Attributes:
        settings: Of the place.
        moment: A time with its zone, by our clock; or a day, by FINRA's dates; None is now.
        advance: Called with the weeks of an earlier state that are built, and of all.
    """

    settings: Settings
    moment: Moment | None = None
    advance: Callable[[int, int], None] = lambda _done, _all: None
    _past: dict[date, list[pl.DataFrame]] = field(default_factory=dict)
    _kept: duckdb.DuckDBPyConnection | None = None

    @property
    def lake(self) -> Lake:
        """The tables in Parquet."""
        return open_lake(self.settings.lake_place)

    def weeks(self) -> list[date]:
        """Weeks of `otc_venue_volume`, oldest first; of an earlier state those known then."""
        if self.moment is None:
            return self.lake.weeks(venue_volume.TABLE.name)
        return [week for week in self.lake.weeks(raw.TABLE.name) if self._is_known(week)]

    def _is_known(self, week: date) -> bool:
        if isinstance(self.moment, datetime):
            return bool(captures.known_of(self.lake, week, self.moment).captures)
        return self.moment is not None and publication_day(week, Tier.NMS_TIER_1) <= self.moment

    @contextmanager
    def opened(self, first: date, last: date) -> Iterator[duckdb.DuckDBPyConnection]:
        """Tables, views and macros, for a question about weeks from `first` to `last`."""
        if self._kept is not None:
            yield self._kept
        elif self.moment is not None:
            with closing(duckdb.connect(":memory:")) as connection:
                self._fill(connection, weeks_between(first - WINDOW, last))
                yield connection
        else:
            with self._now() as connection:
                yield connection

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Ask all questions of this block through one connection, unless they are of the past."""
        if self.moment is not None or self._kept is not None:
            yield
            return
        with self._now() as connection:
            self._kept = connection
            try:
                yield
            finally:
                self._kept = None

    @contextmanager
    def _now(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if self._is_current():
            path = str(self.settings.warehouse_path)
            with duckdb.connect(path, read_only=True) as connection:
                yield connection
        else:
            with connect(self.lake, TABLES) as connection:
                yield connection

    def _is_current(self) -> bool:
        """Whether the database has exactly what the lake has."""
        path, lake = self.settings.warehouse_path, self.lake
        if not path.exists():
            return False
        try:
            return differing_weeks(path, contents_of(lake, self.settings.database_tables)) == []
        except LakeError:
            return False

    def _fill(self, connection: duckdb.DuckDBPyConnection, weeks: list[date]) -> None:
        """Make tables of these weeks as they were, and the views on them."""
        present = {*self.lake.weeks(raw.TABLE.name)}
        missing = [week for week in weeks if week in present and week not in self._past]
        with ThreadPoolExecutor(_THREADS) as pool:
            for done, frames in enumerate(pool.map(self._week, missing), 1):
                self._past[missing[done - 1]] = frames
                self.advance(done, len(missing))
        for number, table in enumerate(_PAST):
            for statement in table_ddl("main", table.name, table.columns, table.grain):
                connection.execute(statement)
            for week in weeks:
                if rows := self._past.get(week):
                    ordered = rows[number].select(column.name for column in table.columns)
                    connection.from_arrow(ordered.to_arrow()).insert_into(table.name)
        # What is given for all trading has one state, that of now.
        given = consolidated.TABLE
        for statement in table_ddl("main", given.name, given.columns, given.grain):
            connection.execute(statement)
        part = self.lake.part(given.name, None)
        if part.exists():
            connection.from_arrow(self.lake.read(part).to_arrow()).insert_into(given.name)
        for statement in derived_views({table.name for table in (*_PAST, given)}):
            connection.execute(statement)

    def _week(self, week: date) -> list[pl.DataFrame]:
        """The tables of a week as they were; none where it was not known."""
        lake, moment = self.lake, self.moment
        try:
            if isinstance(moment, datetime):
                return [table_as_of(lake, table.name, week, moment) for table in _PAST]
            day = moment or date.max
            return [table_as_published(lake, table.name, week, day).rows for table in _PAST]
        except NotKnown:
            return []
