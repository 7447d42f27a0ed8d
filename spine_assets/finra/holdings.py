"""The answers of FINRA that the project has.

These are fetched files in the landing folder, and captures in the lake, also of files that a user
dropped. Does not belong here: requests to FINRA (`fetching`), and which answers FINRA may have
changed since (`restatements`).
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.finra.delivered import FetchedName, read_name
from spine_assets.finra.last_checked import LastChecked
from spine_assets.lake.base import Lake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.delivery.file_format import cut
from spine_assets.otc.delivery.placement import Grain, Key
from spine_assets.otc.delivery.reasons import FileRefused

NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True)
class Holding:
    """One answer that the project has.

    Attributes:
        key: Week, tier and class.
        at: When it was fetched, or captured if a user dropped its file.
        rows: Its rows, including those that could not be read.
        last_update: The latest day on which FINRA changed one of its rows.
        path: Its fetched file, if it still exists.
        grain: Rows by venue, or FINRA's control totals.
    """

    key: Key
    at: datetime
    rows: int
    last_update: date
    path: Path | None = None
    grain: Grain = Grain.VENUES

    def may_lack_that_day(self, now: datetime) -> bool:
        """Whether it came on the day of its last change, so that later changes may be missing.

        Or its time is in the future, so a clock was wrong.
        """
        return self.at > now or self.at.astimezone(NEW_YORK).date() <= self.last_update


class Holdings:
    """All answers of the project, listed once; a file is read when its facts are needed."""

    def __init__(self, landing: Path, lake: Lake, last_checked: LastChecked) -> None:
        self._lake, self._last_checked = lake, last_checked
        self._files: dict[tuple[Key, Grain], tuple[FetchedName, Path]] = {}
        for path in sorted((landing / "finra").glob("*/week_*.csv.gz")):
            name = read_name(path.name)
            if name is not None:  # in the order of their times, so that the newest is kept
                self._files[name.key, name.grain] = (name, path)
        self._captured = {
            ((week, Tier(tier), VenueClass(venue_class)), Grain(grain))
            for week, names in captures.names(lake).items()
            for tier, venue_class, grain, _ in names
        }

    def __contains__(self, key: Key) -> bool:
        """Whether an answer exists in some form, or FINRA reported that it has no rows."""
        part = (key, Grain.VENUES)
        return part in self._files or part in self._captured or key in self._last_checked

    def mark_checked(self, key: Key, at: datetime) -> None:
        """Record that the answer is what FINRA had at a moment."""
        self._last_checked.add(key, at)

    def checked_at(self, key: Key, now: datetime) -> datetime | None:
        """When FINRA was last asked for an answer, or whether it had changed; None if never.

        No file is opened. A time later than now comes from a wrong clock and does not count.
        """
        known = [self._last_checked.last(key)]
        if (key, Grain.VENUES) in self._files:
            known.append(self._files[key, Grain.VENUES][0].fetched_at)
        return max((at for at in known if at is not None and at <= now), default=None)

    def latest(self, key: Key) -> Holding | None:
        """The newest answer; None if there is none.

        Raises:
            LakeError: a capture cannot be read.
        """
        return self._newest(key, Grain.VENUES)

    def totals(self, key: Key) -> Holding | None:
        """The newest control totals of an answer; None if there are none. Raises as `latest`."""
        return self._newest(key, Grain.TOTALS)

    def _newest(self, key: Key, grain: Grain) -> Holding | None:
        """The newest part of an answer, as of when it was last known to be what FINRA has."""
        both = (self._fetched(key, grain), self._from_lake(key, grain))
        known = [item for item in both if item is not None]
        newest = max(known, key=lambda item: item.at, default=None)
        checked = self._last_checked.last(key)
        if newest is None or checked is None or checked < newest.at:
            return newest
        return replace(newest, at=checked)

    def _fetched(self, key: Key, grain: Grain) -> Holding | None:
        if (key, grain) not in self._files:
            return None
        name, path = self._files[key, grain]
        try:
            days = cut(gzip.decompress(path.read_bytes())).split.fields["lastUpdateDate"]
            last = max(date.fromisoformat(day) for day in days.unique().to_list())
        except (FileRefused, OSError, EOFError, ValueError, zlib.error):
            return None  # a damaged file is fetched again, and the landing scan reports it
        return Holding(key, name.fetched_at, len(days), last, path, grain)

    def _from_lake(self, key: Key, grain: Grain) -> Holding | None:
        if (key, grain) not in self._captured:
            return None
        week, tier, venue_class = key
        found = captures.stored(self._lake, week, grain, (tier, venue_class))
        newest = max(found, key=lambda item: (item.captured_at, item.sha256), default=None)
        if newest is None:
            return None
        # A fetched file may be captured much later; what counts is when FINRA sent it.
        fetched = read_name(newest.source_file.rpartition("/")[2])
        return Holding(
            key,
            fetched.fetched_at if fetched else newest.captured_at.replace(tzinfo=UTC),
            newest.rows + newest.reject_lines,
            newest.last_update_date,
            grain=grain,
        )
