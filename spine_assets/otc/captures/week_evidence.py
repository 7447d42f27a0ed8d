"""Whether the figures of a file are those of its week.

A download has no week column. Its dates suggest a week but do not prove it: FINRA may restate every
row of a week on the publication day of another. So its figures are compared with those of earlier
weeks, which it must not repeat, and with other files of its own week, whose figures it must have.
Belongs here: these comparisons, and the messages of a refusal. Does not belong here: comparing two
files (`delivery.figures`) and the proposal (`delivery.placement`).
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, partial

import polars as pl

from spine_assets.lake.base import Lake
from spine_assets.otc.captures import pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.model import Capture, CapturedFrames, TierClass
from spine_assets.otc.delivery.deliveries import Delivery, Landing, read_parsed
from spine_assets.otc.delivery.figures import COLUMNS, Likeness, Sample, compare, sample
from spine_assets.otc.delivery.placement import WeekSource

# FINRA was seen to restate a week 164 days after its publication; a week's file never has a date
# before its own publication, so weeks after it are not meant.
_WEEKS_BEFORE = 26
_KEPT = 64 * 6  # more weeks than are looked back and built at once, each of six tiers and classes


@dataclass(frozen=True)
class KnownFile:
    """A file of a week: its name for messages, its sample, and its rows (`figures.COLUMNS`)."""

    name: str
    week_ending: date
    sample: Sample
    rows: Callable[[], pl.DataFrame]


class KnownFiles:
    """Captured files of other weeks, whose samples are read once per run."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[date, TierClass], list[KnownFile]] = OrderedDict()

    def forget(self, week: date) -> None:
        """A week has other captures now."""
        for key in [kept for kept in [*self._kept] if kept[0] == week]:
            self._kept.pop(key, None)

    def of(self, lake: Lake, week: date, key: TierClass) -> list[KnownFile]:
        """The captures of a week, tier and class that are not retracted.

        Raises:
            LakeError: a capture cannot be read.
        """
        found = self._kept.get((week, key))
        if found is None:
            found = self._kept[week, key] = [*_captured(lake, week, key)]
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found


def _captured(lake: Lake, week: date, key: TierClass) -> Iterator[KnownFile]:
    stored = captures.stored(lake, week, key=key)
    out = pins.retracted(pins.stored(lake, week)) if stored else set()
    for item in stored:
        if (item.key, item.capture_id) not in out:
            yield known_file(lake, item)


def known_file(lake: Lake, item: Capture) -> KnownFile:
    """A capture, with its rows at hand."""

    def rows() -> pl.DataFrame:
        return captures.read_rows(lake, item, [*COLUMNS])

    name = f"{item.source_file} ({item.capture_id})"
    return KnownFile(name, item.week_ending, Sample.of_text(item.sample) or sample(rows()), rows)


@dataclass(frozen=True)
class WeekEvidence:
    """What is known beside a week's own captures.

    Attributes:
        lake: Where captures of other weeks are.
        landing: What is delivered for other weeks.
        known: Captured files of this run.
        today: The day in UTC.
    """

    lake: Lake
    landing: Landing
    known: KnownFiles
    today: date

    def repeated(self, made: CapturedFrames, item: Delivery) -> str | None:
        """Why a file is not of its week: it repeats an earlier week's file. None if it does not."""
        mine = Sample.of_text(made.capture.sample)
        for file in self._before(item):
            if mine is not None and mine.may_repeat(file.sample):
                found = compare(made.rows, file.rows())
                if found.repeats:
                    return _repeats(item, file, found)
        return None

    def is_doubtful(self, item: Delivery) -> bool:
        """Whether a run may refuse a file for its figures, by samples alone."""
        mine = Sample.of_text(item.sample)
        if mine is None or not is_proposed(item):
            return False
        place = item.placement
        own = self.known.of(self.lake, place.week_ending, (place.tier, place.venue_class))
        others = self._delivered[place.tier, place.venue_class].get(place.week_ending, [])
        return any(
            not mine.agrees(file.sample)
            for file in (*own, *(file for sha256, file in others if sha256 != item.sha256))
        ) or any(mine.may_repeat(file.sample) for file in self._before(item))

    def _before(self, item: Delivery) -> Iterator[KnownFile]:
        """Captured and delivered files of the weeks before, of its tier and class."""
        week, key = item.placement.week_ending, (item.placement.tier, item.placement.venue_class)
        for number in range(1, _WEEKS_BEFORE + 1):
            before = week - timedelta(weeks=number)
            yield from self.known.of(self.lake, before, key)
            for sha256, file in self._delivered[key].get(before, []):
                if sha256 != item.sha256:
                    yield file

    @cached_property
    def _delivered(self) -> dict[TierClass, dict[date, list[tuple[str, KnownFile]]]]:
        """Deliveries with their hashes, by tier, class and week."""
        found: dict[TierClass, dict[date, list[tuple[str, KnownFile]]]] = defaultdict(dict)
        for item in self.landing.deliveries:
            place = item.placement
            known = Sample.of_text(item.sample)
            if known is not None:
                rows = partial(_rows_of, item, self.today)
                file = KnownFile(item.name, place.week_ending, known, rows)
                of_week = found[place.tier, place.venue_class].setdefault(place.week_ending, [])
                of_week.append((item.sha256, file))
        return found


def _rows_of(item: Delivery, today: date) -> pl.DataFrame:
    return read_parsed(item, today).rows


def repeated_elsewhere(
    item: Capture, lake: Lake, known: KnownFiles, of_run: Collection[date]
) -> tuple[KnownFile, Likeness] | None:
    """A captured file of another week that has half or more of a capture's figures, if any.

    Args:
        item: The capture.
        lake: Where captures are.
        known: Captured files of this run.
        of_run: Weeks that this run builds. Those after the capture's are left out: they compare
            themselves with it, once they are built.

    Raises:
        LakeError: a capture cannot be read.
    """
    mine = known_file(lake, item)
    for number in range(-_WEEKS_BEFORE, _WEEKS_BEFORE + 1):
        other_week = item.week_ending + timedelta(weeks=number)
        is_left_out = number == 0 or (number > 0 and other_week in of_run)
        for file in () if is_left_out else known.of(lake, other_week, item.key):
            if mine.sample.may_repeat(file.sample):
                found = compare(mine.rows(), file.rows())
                if found.repeats:
                    return file, found
    return None


def contradicting(mine: KnownFile, own: Iterable[KnownFile]) -> tuple[KnownFile, Likeness] | None:
    """A file of the same week, tier and class whose figures are of another week, if no file agrees.

    Args:
        mine: A file whose week was proposed by its date.
        own: The other files of its week, tier and class.
    """
    first: tuple[KnownFile, Likeness] | None = None
    for file in own:
        if not mine.sample.may_share_enough(file.sample):
            continue
        if mine.sample.agrees(file.sample):
            return None
        found = compare(mine.rows(), file.rows())
        if found.agrees:
            return None
        if found.contradicts and first is None:
            first = (file, found)
    return first


def _repeats(item: Delivery, file: KnownFile, found: Likeness) -> str:
    week = item.placement.week_ending
    return (
        f"would be week ending {week} of {item.placement.tier} by the dates of its rows, but "
        f"{found.same:,} of {found.keys:,} figures are those of week ending {file.week_ending}, "
        f"{file.name}: FINRA restates a week on any day. If it is that week restated, place it "
        f"below week_ending={file.week_ending}/; if it is right as it is, below "
        f"week_ending={week}/; if the other file is wrong, `spine captures retract` takes it out"
    )


def contradicts(item: Delivery, file: KnownFile, found: Likeness) -> str:
    """The message of a file that has other figures than its week's others."""
    week = item.placement.week_ending
    return (
        f"would be week ending {week} of {item.placement.tier} by the dates of its rows, but only "
        f"{found.same:,} of the {found.shared:,} rows that it shares with {file.name} of that week "
        "have its figures: one of the two is another week's. Place it below week_ending=.../ of "
        "the week that it is of; if the other file is wrong, `spine captures retract` takes it out"
    )


def is_proposed(item: Delivery) -> bool:
    """Whether the week of a file is only proposed, by the dates of its rows."""
    return item.placement.week_source is WeekSource.PUBLICATION
