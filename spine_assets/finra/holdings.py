"""What is here already of what FINRA offers, and whether FINRA may have changed it since.

What counts is files in the landing folder that were fetched, and captures in the lake of files
that came by hand. Belongs here: having. Does not belong here: asking FINRA (`fetching`).
"""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from spine_assets.core.weeks import Tier, VenueClass, publication_day
from spine_assets.finra.delivered import FetchedName, read_name
from spine_assets.finra.last_checked import Looks
from spine_assets.lake.base import Lake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.delivery.placement import Key

# FINRA revised weeks 7-11 days after their publication where that was seen; four weeks are
# re-fetched by schedule, and twice that is looked at when asked for everything.
SETTLED_DAYS = 56
NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True)
class Held:
    """One answer that is here.

    Attributes:
        key: Week, tier and class.
        at: When it was fetched, or captured where a person dropped it.
        rows: Its rows, those included that could not be read.
        last_update: The latest day on which FINRA changed a row of it.
        path: Its file, where it was fetched and is still there.
    """

    key: Key
    at: datetime
    rows: int
    last_update: date
    path: Path | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it came so long after publication that FINRA hardly changes it any more."""
        week, tier, _ = self.key
        published = publication_day(week, tier)
        return self.at.astimezone(NEW_YORK).date() >= published + timedelta(days=SETTLED_DAYS)

    @property
    def may_lack_that_day(self) -> bool:
        """Whether it came on the very day of its last change: that day may have had more."""
        return self.at.astimezone(NEW_YORK).date() <= self.last_update


class Holdings:
    """What is here, listed once; facts of a file are read when they are asked for."""

    def __init__(self, landing: Path, lake: Lake, looks: Looks) -> None:
        self._lake, self._looks = lake, looks
        self._files: dict[Key, tuple[FetchedName, Path]] = {}
        for path in sorted((landing / "finra").glob("*/week_*.csv.gz")):
            name = read_name(path.name)
            if name is not None:  # in the order of their times, so that the newest is kept
                self._files[name.key] = (name, path)
        self._captured = {
            (week, Tier(tier), VenueClass(venue_class))
            for week, names in captures.names(lake).items()
            for tier, venue_class, _ in names
        }

    def __contains__(self, key: Key) -> bool:
        """Whether an answer is here in some form, or FINRA said that it has no rows."""
        return key in self._files or key in self._captured or key in self._looks

    def looked(self, key: Key, at: datetime) -> None:
        """Remember that FINRA was asked for an answer whole."""
        self._looks.add(key, at)

    def latest(self, key: Key) -> Held | None:
        """The newest answer, or None.

        Raises:
            LakeError: a capture cannot be read.
        """
        known = [item for item in (self._fetched(key), self._from_lake(key)) if item is not None]
        newest = max(known, key=lambda item: item.at, default=None)
        looked = self._looks.last(key)
        if newest is None or looked is None or looked < newest.at:
            return newest
        return replace(newest, at=looked)

    def _fetched(self, key: Key) -> Held | None:
        if key not in self._files:
            return None
        name, path = self._files[key]
        try:
            days = pl.read_csv(
                io.BytesIO(gzip.decompress(path.read_bytes())),
                separator="|",
                quote_char=None,
                columns=["lastUpdateDate"],
                schema_overrides={"lastUpdateDate": pl.String},
            )["lastUpdateDate"]
            last = max(date.fromisoformat(day) for day in days.unique().to_list())
        except (OSError, EOFError, ValueError, TypeError, pl.exceptions.PolarsError):
            return None  # a damaged file is none: it is fetched again, and told by the scan
        return Held(key, name.fetched_at, len(days), last, path)

    def _from_lake(self, key: Key) -> Held | None:
        if key not in self._captured:
            return None
        week, *kind = key
        held = [item for item in captures.stored(self._lake, week) if item.key == tuple(kind)]
        newest = max(held, key=lambda item: (item.captured_at, item.sha256), default=None)
        if newest is None:
            return None
        # A file that was fetched may be captured much later: what FINRA said, it said before.
        fetched = read_name(newest.source_file.rpartition("/")[2])
        return Held(
            key,
            fetched.fetched_at if fetched else newest.captured_at.replace(tzinfo=UTC),
            newest.rows + newest.reject_lines,
            newest.last_update_date,
        )
