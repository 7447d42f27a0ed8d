"""Which tier, class and week a parsed file holds.

The download file has no week column and `lastUpdateDate` is not a week, so the week is found, in
this order, in a column, in the path, or by the publication lag of the tier. A file of which one of
the three is unknown or contradictory is refused: a wrong week is worse than none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import polars as pl

from spine_assets.core.weeks import (
    FIRST_WEEK,
    Tier,
    VenueClass,
    last_plausible_day,
    monday_of,
    publication_day,
    tier_of,
    week_ending_of,
    week_published_on,
)
from spine_assets.otc.delivery.file_format import ParsedFile
from spine_assets.otc.delivery.line_schema import SUMMARY_TYPE, WEEK_DATES
from spine_assets.otc.delivery.path_claims import days_in_name, path_class, path_week
from spine_assets.otc.delivery.reasons import FileRefused, listed

_LEAST_SHARE = 0.2  # of rows that must have a publication date before it decides the week
_MOST_OF_ANOTHER_WEEK = 0.5  # of rows: a few later dates are revisions, half a file is not
# Of the rows of an ATS file: FINRA publishes single ones without MPID.
_MOST_NAMED_FIRMS = 0.2
# Of the rows of an ATS file: FINRA publishes single ones without MPID, not those of several firms.
_MOST_NAMED_FIRMS = 0.2
_SEVERAL_FIRMS = 3
_DAYS_NAMED = 5  # in a message, with their counts
CLASS_PREFIXES = {"ATS_W_": VenueClass.ATS, "OTC_W_": VenueClass.NON_ATS}
"""The class that a summary type begins with."""
PREFIX_CHARS = 6


Key = tuple[date, Tier, VenueClass]


class WeekSource(StrEnum):
    """How the week of a file was found."""

    COLUMN = "column"
    PATH = "path"
    PUBLICATION = "publication"


class Grain(StrEnum):
    """What a row is of."""

    VENUES = "venues"
    """One symbol at one venue: what the tables are made from."""
    TOTALS = "totals"
    """FINRA's own sums of such rows, by symbol, by firm and over all: control totals."""


@dataclass(frozen=True, order=True)
class Placement:
    """The (week, tier, class) and grain that a part of a file holds, and how its week was found.

    `alternative_week` is another week whose publication day half of the rows have. Such a file is
    a correction of many rows on that day, or is misplaced: `intake` finds out.
    """

    week_ending: date
    tier: Tier
    venue_class: VenueClass
    week_source: WeekSource
    alternative_week: date | None = None
    grain: Grain = Grain.VENUES

    @property
    def key(self) -> Key:
        """Week, tier and class."""
        return self.week_ending, self.tier, self.venue_class


def place(parsed: ParsedFile, name: str) -> Placement:
    """Find week, tier and class of a parsed file; of both classes, the first (`parts`).

    Args:
        parsed: The parsed content.
        name: Its path below the landing folder, with `/` between folders.

    Raises:
        FileRefused: one of the three is unknown or contradicts another.
    """
    path = path_week(name)
    if parsed.rows.is_empty():
        raise FileRefused(f"none of its {parsed.rejects.height} lines can be read: {_why(parsed)}")
    tier = _tier(parsed.rows)
    venue_class = _venue_class(parsed.rows, name)
    column = _column_week(parsed.rows)
    if column and path and column != path:
        raise FileRefused(
            f"its path says week ending {path}, its column says {column}; correct the path"
        )
    if column:
        _require_published(parsed.rows, column, tier)
        return Placement(column, tier, venue_class, WeekSource.COLUMN)
    if path:
        _require_published(parsed.rows, path, tier)
        source, week = WeekSource.PATH, path
    else:
        source, week = WeekSource.PUBLICATION, _published_week(parsed.rows, tier)
        _require_name_agrees(name, parsed.rows, week, tier)
    return Placement(week, tier, venue_class, source, _another_week(parsed.rows, week, tier))


def _tier(rows: pl.DataFrame) -> Tier:
    """The one tier that all rows name, in both columns if both are delivered."""
    tier = _tier_in(rows, "tierDescription")
    if "tierIdentifier" in rows.columns and (rows["tierIdentifier"] != "").any():
        other = _tier_in(rows, "tierIdentifier")
        if other != tier:
            raise FileRefused(
                f"tierDescription says {tier.description}, tierIdentifier says {other.api_id}; "
                "download it again"
            )
    return tier


def _tier_in(rows: pl.DataFrame, column: str) -> Tier:
    """The one tier that a column names."""
    texts = rows[column].unique().sort().to_list()
    tiers = {text: tier_of(text) for text in texts}
    unknown = [text for text, tier in tiers.items() if tier is None]
    if unknown:
        lines = rows.filter(pl.col(column).is_in(unknown))["source_line"]
        raise FileRefused(
            f"unknown tier in {column}: {listed(unknown)} on line {listed(lines.to_list())}; "
            f"known are {listed(tier.description for tier in Tier)}"
        )
    found = {tier for tier in tiers.values() if tier is not None}
    if len(found) > 1:
        raise FileRefused(f"rows of several tiers: {listed(found)}; give each tier its own file")
    return found.pop()


def _venue_class(rows: pl.DataFrame, name: str) -> VenueClass:
    """By summary type, else by the path, else by whether all MPIDs are blank.

    Raises:
        FileRefused: two of them contradict each other, or it has the firms of both classes.
    """
    path, codes = path_class(name), _code_classes(rows)
    if codes and path and codes != [path]:
        raise FileRefused(
            f"its path says class {path}, its {SUMMARY_TYPE} says {' and '.join(codes)}; "
            "correct the path"
        )
    if found := codes[0] if codes else path:
        return found
    firms = rows.filter(pl.col("MPID") == "")
    if firms.height == rows.height:
        return VenueClass.NON_ATS
    named = firms.filter(pl.col("marketParticipantName") != "")
    is_much = named.height > _MOST_NAMED_FIRMS * rows.height
    if is_much and named["marketParticipantName"].n_unique() >= _SEVERAL_FIRMS:
        raise FileRefused(
            f"{named.height:,} of its {rows.height:,} rows name a firm and no MPID, first on line "
            f"{named['source_line'][0]}: both classes are in it, and nothing says which row is of "
            f"which; deliver them with FINRA's column {SUMMARY_TYPE}, or each class in its own file"
        )
    return VenueClass.ATS


def _code_classes(rows: pl.DataFrame) -> list[VenueClass]:
    """The classes that the summary types of a file name, ATS first."""
    if SUMMARY_TYPE not in rows.columns:
        return []
    codes = [code for code in rows[SUMMARY_TYPE].unique().to_list() if code]
    if odd := [code for code in codes if code[:PREFIX_CHARS] not in CLASS_PREFIXES]:
        line = rows.filter(pl.col(SUMMARY_TYPE).is_in(odd))["source_line"][0]
        raise FileRefused(
            f"{SUMMARY_TYPE} holds {listed(odd)}, first on line {line}; a weekly file has "
            "ATS_W_* or OTC_W_*"
        )
    return sorted({CLASS_PREFIXES[code[:PREFIX_CHARS]] for code in codes})


def _column_week(rows: pl.DataFrame) -> date | None:
    """The week in the week columns; all rows and columns must agree."""
    found = {name: _monday_of(rows, name) for name in WEEK_DATES if name in rows.columns}
    mondays = {name: monday for name, monday in found.items() if monday is not None}
    if len(set(mondays.values())) > 1:
        each = ", ".join(f"{name} says {monday}" for name, monday in mondays.items())
        raise FileRefused(f"its week columns contradict each other: {each}; download it again")
    return next((week_ending_of(monday) for monday in mondays.values()), None)


def _monday_of(rows: pl.DataFrame, name: str) -> date | None:
    """The one Monday of a week column, or None if the column is blank."""
    days = rows[name]
    if days.null_count() == rows.height:
        return None
    if days.null_count():
        raise FileRefused(
            f"{name} is blank in {days.null_count()} rows, not in all; download it again"
        )
    found = days.unique().sort().to_list()
    if len(found) > 1:
        raise FileRefused(f"{name} names several weeks: {listed(found)}; one file, one week")
    day: date = found[0]
    if not FIRST_WEEK - timedelta(days=6) <= day <= last_plausible_day():
        raise FileRefused(f"{name} is {day}, outside of FINRA's history since {FIRST_WEEK}")
    if day.weekday() != 0:
        raise FileRefused(
            f"{name} is {day}, a {day:%A}; FINRA names weeks by their Monday: "
            f"{day - timedelta(days=day.weekday())}"
        )
    return day


def _published_week(rows: pl.DataFrame, tier: Tier) -> date:
    """The week whose publication day the rows have.

    It is the earliest update date that is the publication day of a week and that at least a fifth
    of the rows have: fewer rows may be revisions.

    Raises:
        FileRefused: there is no such date.
    """
    counts = rows.group_by("lastUpdateDate").len().sort("lastUpdateDate")
    for day, count in counts.iter_rows():
        week = week_published_on(day, tier)
        if week is not None and week >= FIRST_WEEK and count >= _LEAST_SHARE * rows.height:
            _require_published(rows, week, tier)
            return week
    dates = ", ".join(
        f"{day} ({count} rows)" for day, count in counts.head(_DAYS_NAMED).iter_rows()
    )
    raise FileRefused(
        f"its week is unknown: no update date is a publication day of {tier}: {dates}; "
        "name the week in the path, for example week_ending=2025-11-21/"
    )


def _require_name_agrees(name: str, rows: pl.DataFrame, week: date, tier: Tier) -> None:
    """Refuse a name with a day that is the publication day of another week.

    Many Mondays are publication days, so two others are no contradiction: a day of the week itself,
    and one on which rows of the file were updated, as the name of a correction has it.
    """
    days = days_in_name(name)
    others = {day: week_published_on(day, tier) for day in days}
    updated = {*rows["lastUpdateDate"].unique().to_list()}
    is_of_week = any(monday_of(week) <= day <= week for day in days)
    if week in others.values() or is_of_week or updated & {*days}:
        return
    for day, other in others.items():
        if other is not None:
            raise FileRefused(
                f"its name says {day}, the publication day of week ending {other} of {tier}, but "
                f"its rows say {publication_day(week, tier)}, that of week ending {week}; correct "
                f"the name, or place it below week_ending=.../ of the week that it is of"
            )


def _require_published(rows: pl.DataFrame, week: date, tier: Tier) -> None:
    """Refuse a week that was not yet published when a row was last updated."""
    if week < FIRST_WEEK:
        raise FileRefused(f"week ending {week} is before FINRA's first week, {FIRST_WEEK}")
    published = publication_day(week, tier)
    early = rows.filter(pl.col("lastUpdateDate") < published)
    if early.is_empty():
        return
    first: date = early["lastUpdateDate"].to_list()[0]
    likely = week_published_on(first, tier)
    hint = f"; that date is the publication day of week ending {likely}" if likely else ""
    raise FileRefused(
        f"week ending {week} of {tier} was first published on {published}, but "
        f"{early.height} of {rows.height} rows were updated before, first on line "
        f"{early['source_line'][0]} ({first}){hint}"
    )


def _another_week(rows: pl.DataFrame, week: date, tier: Tier) -> date | None:
    """Another week whose publication day half of the rows have, if any."""
    counts = rows.group_by("lastUpdateDate").len().sort("len", "lastUpdateDate", descending=True)
    day, count = counts.row(0)
    found = week_published_on(day, tier)
    return found if found != week and count >= _MOST_OF_ANOTHER_WEEK * rows.height else None


def _why(parsed: ParsedFile) -> str:
    counts = parsed.rejects.group_by("reason").len().sort("reason")
    return ", ".join(f"{reason} {count}" for reason, count in counts.iter_rows())
