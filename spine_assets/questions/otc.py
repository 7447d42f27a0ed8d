"""`Otc`: the questions of an analyst about one place, each answered by a Polars frame.

A figure of a week is null where it is not known, and each frame says why; changes are null unless
both weeks have the same tiers and classes. Belongs here: choosing weeks, symbols and venues, and
asking. Does not belong here: columns of answers (`declared`), where they come from (`sources`).
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from spine_assets.core.settings import Settings, load_settings, validated
from spine_assets.core.weeks import WeekError, parse_week
from spine_assets.otc.state.consolidated import changed_since
from spine_assets.otc.tables import consolidated
from spine_assets.questions import declared
from spine_assets.questions.declared import AnalystQuestion, NothingFound, WeekState
from spine_assets.questions.sources import AnswerSource
from spine_assets.warehouse.connection import answer

WEEKS = 26
"""Weeks of an answer unless others are asked for."""
_SEARCHED = 8  # weeks in which the newest complete one is looked for at once
_NAMED = 5  # suggestions in a message
Week = date | str


class Otc:
    """Questions about the data of one place; made by `spine_assets.open`.

    Every method returns a new `polars.DataFrame` (`.to_pandas()` makes it a pandas one) with the
    declared columns of its question. Shares are Float64: whole shares are exact, and a fraction is
    to 15 digits; SQL over the database has exact decimals. Weeks are named by their Friday.

    Raises:
        NothingFound: there is no such symbol, venue or week, or nothing is loaded.
        WeekError: a week is not a Friday.
    """

    def __init__(self, source: AnswerSource) -> None:
        self._source = source

    def on_progress(self, advance: Callable[[int, int], None]) -> None:
        """Call this with the weeks of an earlier state that are built, and of all to be built."""
        self._source.advance = advance

    @contextmanager
    def together(self) -> Iterator[None]:
        """Ask the questions of this block through one connection, which makes each quicker."""
        with self._source.kept():
            yield

    def weeks(self) -> list[date]:
        """The weeks that are loaded, oldest first."""
        return self._source.weeks()

    def newest(self) -> date:
        """The newest complete week: all tiers of each class that is loaded in it."""
        weeks = self._loaded()
        while weeks:
            searched, weeks = weeks[-_SEARCHED:], weeks[:-_SEARCHED]
            if complete := self._complete(searched[0], searched[-1]):
                return complete[-1]
        raise NothingFound("no week is complete yet: each lacks a tier; `spine status` shows which")

    def usual_week(self) -> date:
        """The week of a question that names none: the newest complete one, else the newest."""
        try:
            return self.newest()
        except NothingFound:
            return self._loaded()[-1]

    def is_complete(self, week: Week) -> bool:
        """Whether all tiers of each class that is loaded in a week are there."""
        chosen = parse_week(str(week))
        return self._complete(chosen, chosen) != []

    def _complete(self, first: date, last: date) -> list[date]:
        """The complete weeks of a range, oldest first."""
        _, rows = self._ask(
            "SELECT week_ending FROM otc_loaded_in($first_week, $last_week) "
            "GROUP BY week_ending HAVING otc_is_complete(classes) ORDER BY week_ending",
            {"first_week": first, "last_week": last},
        )
        return [row[0] for row in rows]

    def symbol(
        self,
        *symbols: str,
        weeks: int = WEEKS,
        since: Week | None = None,
        until: Week | None = None,
    ) -> pl.DataFrame:
        """How much of a symbol traded off exchange, week by week.

        Args:
            symbols: One or more, as FINRA writes them.
            weeks: So many weeks up to `until`, unless `since` is given.
            since: First week.
            until: Last week; None is the newest loaded one.

        Returns:
            A row per symbol and week of the range, loaded or not.
        """
        first, last = self._range(weeks, since, until)
        asked = _some(symbols, "symbol")
        frame = self._frame(declared.SYMBOL, symbols=asked, first_week=first, last_week=last)
        self._require_symbols(asked, frame.drop_nulls("total_volume"), first, last)
        return frame

    def symbol_venues(self, *symbols: str, week: Week | None = None) -> pl.DataFrame:
        """Who traded a symbol in a week, beside the prior week.

        Args:
            symbols: One or more, as FINRA writes them.
            week: None is the newest complete one, or the newest where none is complete.

        Returns:
            A row per symbol and venue, largest first; buckets have no rank.
        """
        asked, chosen = _some(symbols, "symbol"), self._week(week)
        frame = self._of_week(declared.SYMBOL_VENUES, chosen, symbols=asked)
        self._require_symbols(asked, frame, chosen, chosen)
        return frame

    def venue(
        self, *venues: str, weeks: int = WEEKS, since: Week | None = None, until: Week | None = None
    ) -> pl.DataFrame:
        """How much a venue trades, its share and its rank, week by week.

        Args:
            venues: Each an MPID, a CRD number, or a part of a name that only one venue has.
            weeks: So many weeks up to `until`, unless `since` is given.
            since: First week.
            until: Last week; None is the newest loaded one.

        Returns:
            A row per venue and week of the range, loaded or not.
        """
        first, last = self._range(weeks, since, until)
        ids = self._venue_ids(_some(venues, "venue"), first, last)
        return self._frame(declared.VENUE, venue_ids=ids, first_week=first, last_week=last)

    def venues(self, week: Week | None = None) -> pl.DataFrame:
        """Which venues traded most in a week.

        Args:
            week: None is the newest complete one, or the newest where none is complete.

        Returns:
            A row per venue, largest first; buckets have no rank and come last.
        """
        return self._of_week(declared.VENUES, self._week(week))

    def venue_symbols(
        self, *venues: str, week: Week | None = None, top: int | None = None
    ) -> pl.DataFrame:
        """What a venue traded in a week.

        Args:
            venues: As for `venue`.
            week: None is the newest complete one, or the newest where none is complete.
            top: Only so many symbols of each; None returns all.

        Returns:
            A row per venue and symbol, largest first.
        """
        chosen = self._week(week)
        ids = self._venue_ids(_some(venues, "venue"), chosen, chosen)
        return self._of_week(declared.VENUE_SYMBOLS, chosen, venue_ids=ids, top=top)

    def market(
        self, weeks: int = WEEKS, since: Week | None = None, until: Week | None = None
    ) -> pl.DataFrame:
        """How large off-exchange trading is, how much is on ATSs, how concentrated it is.

        Args:
            weeks: So many weeks up to `until`, unless `since` is given.
            since: First week.
            until: Last week; None is the newest loaded one.

        Returns:
            A row per week of the range, loaded or not.
        """
        first, last = self._range(weeks, since, until)
        return self._frame(declared.MARKET, first_week=first, last_week=last)

    def off_exchange_share(
        self,
        *symbols: str,
        weeks: int = WEEKS,
        since: Week | None = None,
        until: Week | None = None,
    ) -> pl.DataFrame:
        """Which part of all trading was off exchange, and on ATSs.

        All trading is your own consolidated volume, as it is loaded now. A warning says so if its
        files changed since.

        Args:
            symbols: As FINRA writes them; none is `*`, all NMS stocks together.
            weeks: So many weeks up to `until`, unless `since` is given.
            since: First week.
            until: Last week; None is the newest loaded one.

        Returns:
            A row per symbol and week of the range; a share is null where `state` says why.
        """
        if changed := changed_since(self._source.lake, self._source.settings):
            warnings.warn(changed, stacklevel=2)
        first, last = self._range(weeks, since, until)
        asked = _some(symbols or (consolidated.MARKET,), "symbol")
        return self._frame(
            declared.OFF_EXCHANGE_SHARE, symbols=asked, first_week=first, last_week=last
        )

    def movers(self, week: Week | None = None, top: int | None = None) -> pl.DataFrame:
        """Which symbols changed most since the week before, which are new or gone.

        Args:
            week: None is the newest complete one, or the newest where none is complete.
            top: Only the largest changes; None returns all symbols.

        Returns:
            A row per symbol over all its tiers, largest change first, new and gone ones last.
        """
        frame = self._of_week(declared.MOVERS, self._week(week))
        return frame if top is None else frame.head(top)

    def compare(
        self,
        *symbols: str,
        measure: str = "total_volume",
        weeks: int = WEEKS,
        since: Week | None = None,
        until: Week | None = None,
    ) -> pl.DataFrame:
        """One figure of several symbols side by side.

        Args:
            symbols: Two or more.
            measure: A numeric column of `symbol`.
            weeks: So many weeks up to `until`, unless `since` is given.
            since: First week.
            until: Last week; None is the newest loaded one.

        Returns:
            A row per week of the range: `week_ending`, a column per symbol, and `is_alike`: in
            this week each has a figure, and their tiers are loaded with the same classes. Weeks of
            other classes than the one before are not told here; `symbol` has `is_comparable`.
        """
        found = self.symbol(*symbols, weeks=weeks, since=since, until=until)
        if measure not in found.columns or not found[measure].dtype.is_numeric():
            known = [name for name in found.columns if found[name].dtype.is_numeric()]
            raise NothingFound(f"{measure} is not a figure of a symbol; there are {_list(known)}")
        by_week = found.group_by("week_ending").agg(
            is_alike=pl.col(measure).is_not_null().all() & (pl.col("classes").n_unique() == 1)
        )
        wide = found.pivot("symbol", index="week_ending", values=measure)
        return wide.join(by_week, on="week_ending").sort("week_ending")

    def restated(self, week: Week | None = None) -> pl.DataFrame:
        """What FINRA corrected in a week, as far as both versions were captured.

        Args:
            week: None is the newest complete one, or the newest where none is complete.

        Returns:
            A row per step by which another capture became current; none if it was never restated.
        """
        return self._frame(declared.RESTATED, week=self._week(week))

    def provenance(
        self, symbol: str, week: Week | None = None, venue: str | None = None
    ) -> pl.DataFrame:
        """Which delivered lines a symbol's number is made of.

        Args:
            symbol: As FINRA writes it.
            week: None is the newest complete one, or the newest where none is complete.
            venue: Only lines of this `mpid`, as in `otc_venue_volume`.

        Returns:
            A row per line of each capture; those with `counts` add up to the published number.
        """
        chosen = self._week(week)
        frame = self._frame(declared.PROVENANCE, symbol=symbol, week=chosen, venue_id=venue)
        self._require_symbols([symbol], frame, chosen, chosen)
        return frame

    def _of_week(self, question: AnalystQuestion, week: date, **parameters: Any) -> pl.DataFrame:
        """The answer to a question about one week, with what is loaded in it."""
        _, rows = self._ask(
            "SELECT otc_is_complete(classes), list_sort(list_distinct(flatten(list(classes)))) "
            "FROM otc_loaded_in($week, $week)",
            {"week": week},
        )
        is_complete, classes = rows[0]
        state = WeekState.COMPLETE if is_complete else WeekState.INCOMPLETE
        return self._frame(question, {"state": state, "classes": classes}, week=week, **parameters)

    def _frame(
        self, question: AnalystQuestion, same: Mapping[str, Any] | None = None, **parameters: Any
    ) -> pl.DataFrame:
        """The answer to a question with its declared columns; some are the same in all rows."""
        names, rows = self._ask(question.sql, parameters)
        if same:
            names, rows = [*names, *same], [(*row, *same.values()) for row in rows]
        places = [names.index(column.name) for column in question.columns]
        return pl.DataFrame(
            [[row[place] for place in places] for row in rows], question.schema, orient="row"
        )

    def _ask(
        self, sql: str, parameters: Mapping[str, Any]
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        days = [value for value in parameters.values() if isinstance(value, date)]
        with self._source.opened(min(days), max(days)) as connection:
            connection.execute("SET enable_progress_bar = false")
            return answer(connection, sql, {**parameters})

    def _loaded(self) -> list[date]:
        if weeks := self.weeks():
            return weeks
        moment = self._source.moment
        if isinstance(moment, datetime):
            raise NothingFound(
                f"nothing was captured by {moment}; `published` answers by FINRA's own dates"
            )
        if moment is not None:
            raise NothingFound(f"of the loaded weeks FINRA had published none by {moment}")
        raise NothingFound(
            f"no week is loaded in {self._source.settings.lake_place}: drop FINRA's files into "
            f"{self._source.settings.landing_path} and run `spine backfill --missing`"
        )

    def _week(self, week: Week | None) -> date:
        if week is None:
            return self.usual_week()
        chosen, loaded = parse_week(str(week)), self._loaded()
        if chosen not in loaded:
            raise NothingFound(
                f"week {chosen} is not loaded; the weeks from {loaded[0]} to {loaded[-1]} are"
            )
        return chosen

    def _range(self, weeks: int, since: Week | None, until: Week | None) -> tuple[date, date]:
        """The first and the last week of an answer."""
        if weeks < 1:
            raise WeekError(f"{weeks} weeks are none")
        loaded = self._loaded()
        last = parse_week(str(until)) if until is not None else loaded[-1]
        first = parse_week(str(since)) if since is not None else last - timedelta(weeks=weeks - 1)
        if since is None:
            first = max(first, min(loaded[0], last))
        if first > last:
            raise WeekError(f"the range begins with {first}, after its end {last}")
        return first, last

    def _require_symbols(
        self, symbols: Sequence[str], frame: pl.DataFrame, first: date, last: date
    ) -> None:
        """Refuse a symbol without a figure that no week of the range has, and suggest others."""
        answered = {*frame["symbol"]}
        for symbol in symbols:
            if symbol not in answered:
                self._require_symbol(symbol, first, last)

    def _require_symbol(self, symbol: str, first: date, last: date) -> None:
        _, rows = self._ask(
            "SELECT symbol, max(week_ending) AS week_ending FROM otc_symbol_summary "
            "WHERE week_ending BETWEEN $first_week AND $last_week GROUP BY symbol",
            {"first_week": first, "last_week": last},
        )
        known = {name for name, _ in rows}
        if symbol in known:
            return
        span = f"in {first}" if first == last else f"from {first} to {last}"
        if symbol.upper() in known:
            raise NothingFound(
                f"there is no symbol {symbol}; symbols are upper case: {symbol.upper()}"
            )
        close = difflib.get_close_matches(symbol.upper(), sorted(known), _NAMED)
        meant = f"; did you mean {_list(close, 'or')}?" if close else ""
        loaded = [week for week in self.weeks() if first <= week <= last]
        lacking = len(loaded) - len(self._complete(first, last))
        perhaps = (
            f"; {lacking} of the loaded weeks lack{'s' if lacking == 1 else ''} a tier in which it "
            "may be"
            if lacking
            else ""
        )
        moment = self._source.moment
        then = f", as it was known by {moment}" if moment is not None else ""
        raise NothingFound(f"no row of {symbol} {span}{then}{perhaps}{meant}")

    def _venue_ids(self, venues: Sequence[str], first: date, last: date) -> list[str]:
        """The venues that are meant."""
        _, rows = self._ask(
            "SELECT venue_id, venue_name, names, crd FROM otc_venues "
            "WHERE $first_week <= last_week AND first_week <= $last_week",
            {"first_week": first, "last_week": last},
        )
        return [_venue_id(venue, rows, f"from {first} to {last}") for venue in venues]


def open_data(
    data: str | Path | None = None,
    *,
    as_of: datetime | None = None,
    published: date | None = None,
) -> Otc:
    """Open a place's data for questions.

    Args:
        data: A data folder, as `SPINE_DATA_DIR`; None is that of the project here.
        as_of: Answer as it was known at this time, which has a zone, by when files were captured.
        published: Answer as FINRA had published it at the end of this day, by FINRA's dates.

    Returns:
        The questions. Each asks afresh, so that a new week is in the next answer.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: both times are given, or `as_of` has no zone.
    """
    if as_of is not None and published is not None:
        raise ValueError("as_of is by our clock and published by FINRA's; give one of them")
    if as_of is not None and as_of.tzinfo is None:
        raise ValueError(f"as_of {as_of} has no time zone")
    settings = load_settings()
    if data is not None:
        folder = Path(data).expanduser().absolute()
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {folder}")
        if (folder / "dagster.yaml").exists():
            raise FileNotFoundError(f"{folder} is a project; open its data folder, {folder}/data")
        settings = validated(lambda: Settings(data_dir=folder, lake=None, database_path=None))
    return Otc(AnswerSource(settings, as_of or published))


def _some(names: Sequence[str], what: str) -> list[str]:
    if not names:
        raise NothingFound(f"name a {what}")
    return list(dict.fromkeys(names))


def _list(names: Sequence[str], word: str = "and") -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _venue_id(venue: str, rows: Sequence[tuple[Any, ...]], span: str) -> str:
    """The one venue that is meant, of rows with id, name, all names and CRD."""
    wanted = venue.strip().casefold()
    ids = [row[0] for row in rows if wanted in (row[0].casefold(), str(row[3]).casefold())]
    named = [row for row in rows if any(wanted in name.casefold() for name in row[2])]
    exact = [row[0] for row in named if wanted in (name.casefold() for name in row[2])]
    for found in (ids, exact, [row[0] for row in named]):
        if len(found) == 1:
            return str(found[0])
    if named:
        several = [f"{row[0]} ({row[1]})" for row in sorted(named)[:_NAMED]]
        raise NothingFound(
            f"{len(named)} venues have {venue} in their names: {_list(several)}; name them by id"
        )
    known = {row[0].casefold(): row for row in rows}
    close = [known[name] for name in difflib.get_close_matches(wanted, known, _NAMED)]
    meant = [f"{row[0]} ({row[1]})" for row in close]
    raise NothingFound(
        f"there is no venue {venue} {span}"
        + (f"; did you mean {_list(meant, 'or')}?" if meant else "")
    )
