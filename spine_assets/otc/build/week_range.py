"""Builds many weeks: in threads, each file read when its week is built, in bounded memory.

Polars, DuckDB and hashing release Python's lock, so that one thread per core keeps the cores busy.
Results come in the order of the weeks. Belongs here: which files are read when, and how many
weeks are built at once. Does not belong here: how a week is built (`build.week`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from spine_assets.otc.build.week import build_week, check_week
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.capture_order import CaptureOrder
from spine_assets.otc.captures.pending import input_of
from spine_assets.otc.delivery.deliveries import (
    ContentChanged,
    Delivery,
    Landing,
    Parsed,
    read_whole,
)
from spine_assets.otc.delivery.listing import Listed
from spine_assets.otc.delivery.reasons import FileRefused
from spine_assets.otc.delivery.scan import Scan
from spine_assets.otc.delivery.week_guess import guess_week
from spine_assets.otc.state.build_context import RunContext
from spine_assets.otc.state.results import NoInput, WeekResult
from spine_assets.otc.tables import raw

# Measured (`benchmarks/history.py`): what a process has at rest, and what a week's frames,
# files and hash tables take at their peak for each byte of its text.
_AT_REST_BYTES = 450_000_000
_BYTES_PER_BYTE = 12
_PACKED = 10  # bytes of text in one of a packed file
_SAVE_SECONDS = 15.0  # between two savings of the landing index: what a killed run reads again
_DELIVERY = [(raw.TABLE.name, "delivery")]


@dataclass(frozen=True)
class Limits:
    """How much of the machine a run may use.

    Attributes:
        memory_bytes: Of the whole process; one week is built whatever it takes.
        threads: Weeks under way at once, at most.
    """

    memory_bytes: int = 2_000_000_000
    threads: int = 1


class ManyWeeks:
    """One run over some weeks.

    Tables that are not `wanted` are read from the lake. Of a week that has no capture yet, the
    tables `if_new` are built as well: nothing of it can be read.

    Attributes:
        weeks: Those that are built: of several requested, the ones with a capture or a file, be
            it a refused one; a single one in any case.
    """

    def __init__(
        self,
        requested: Sequence[date],
        wanted: Collection[str],
        run: RunContext,
        scan: Scan,
        *,
        if_new: Collection[str] = (),
        force: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self._requested, self._alone = {*requested}, len(requested) == 1
        self._wanted, self._run, self._scan, self._force = wanted, run, scan, force
        self._limits = limits or Limits()
        self._if_new = {*wanted, *if_new}
        self._unread = self._put_off(requested)
        self._put_off_weeks = {*self._unread}
        known = scan.landing()
        self._text_bytes = _text_by_week(known)
        with_files = {*known.weeks(), *known.refused_weeks(), *self._unread}
        self._stored = {*run.lake.weeks(raw.TABLE.name)}
        with_input = with_files | self._stored
        self.weeks = [week for week in requested if self._alone or week in with_input]
        self._begun: set[date] = set()
        self._elsewhere: set[date] = set()
        self._saved_at = time.monotonic()
        self._ended = threading.Event()
        self._order = CaptureOrder(self.weeks)

    def results(self) -> Iterator[WeekResult]:
        """Build the weeks and return their results, oldest first.

        A week has a second result, after all others, if a file that was read later belongs to it.
        """
        try:
            yield from self._in_order(self.weeks)
            yield from self._in_order(self._overtaken())
            yield from self._delivered_twice()
        finally:
            self._scan.save()

    def checked(self, wanted: Collection[tuple[str, str]]) -> Iterator[WeekResult]:
        """Run checks, by (table, check), on the stored weeks; nothing is built."""
        self._scan.examine(self._scan.pending)
        run = self.context
        for week in self.weeks:
            yield check_week(week, wanted, run)

    @property
    def context(self) -> RunContext:
        """The run, with all that is known of the landing folder by now."""
        return replace(self._run, landing=self._scan.landing())

    # --- which files are read when

    def _put_off(self, requested: Sequence[date]) -> dict[date, list[Listed]]:
        """Leave files of the requested weeks until those are built; read all others now."""
        later: dict[date, list[Listed]] = {}
        wanted = {*requested}
        for item in self._scan.settled():
            week = guess_week(item.name, item.path)
            if week in wanted:
                later.setdefault(week, []).append(item)
        put_off = {item.name for items in later.values() for item in items}
        self._scan.examine([item for item in self._scan.pending if item.name not in put_off])
        return later

    def _overtaken(self) -> list[date]:
        """Weeks with a file that was read only when another week, or none, was built."""
        captured = captures.names(self._run.lake) if self._elsewhere else {}
        landing = self._scan.landing()
        weeks = sorted(self._elsewhere & self._requested)
        return [week for week in weeks if input_of(week, landing, captured).left]

    def _delivered_twice(self) -> Iterator[WeekResult]:
        """Weeks whose content was found, later, to be delivered as another week too."""
        run = self.context
        by_content: dict[str, list[Delivery]] = {}
        for item in run.landing.deliveries:
            by_content.setdefault(item.sha256, []).append(item)
        twice = {
            item.placement.week_ending
            for items in by_content.values()
            for item in items
            if len({other.placement.week_ending for other in items}) > 1
        }
        if raw.TABLE.name in self._wanted and not self._alone:
            for week in sorted(twice & self._begun & self._put_off_weeks):
                yield check_week(week, _DELIVERY, run)

    # --- building

    def _in_order(self, weeks: Sequence[date]) -> Iterator[WeekResult]:
        """Build weeks in threads; their results in order, as many ahead as memory allows."""
        waiting, running = deque(weeks), deque[tuple[int, Future[WeekResult]]]()
        pool = ThreadPoolExecutor(max(min(self._limits.threads, len(weeks)), 1))
        try:
            while waiting or running:
                while waiting and self._has_room(running, waiting[0]):
                    week = waiting.popleft()
                    running.append((self._bytes_for(week), pool.submit(self._build, week)))
                result = running.popleft()[1].result()
                if not self._is_nothing(result):
                    yield result.finish()
                self._save_now_and_then()
        except BaseException:  # canceled, for one: threads must not wait for locks any longer
            self._ended.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _build(self, week: date) -> WeekResult:
        try:
            return self._built(week)
        finally:
            self._order.captured(week)

    def _built(self, week: date) -> WeekResult:
        self._begun.add(week)
        # A week alone has all the cores; of many, each has a thread.
        threads = self._limits.threads if self._alone else 1
        items = self._unread.pop(week, [])
        parsed = self._scan.examine(items, keep=True, threads=threads)
        landing, parsed = self._read_before(week, parsed)
        found = {item.name: item.placement.week_ending for item in landing.deliveries}
        self._elsewhere |= {found[name] for name in parsed if found.get(name, week) != week}
        run = replace(self._run, landing=landing, order=self._order, given_up=self._ended.is_set)
        wanted = self._wanted if week in self._stored else self._if_new
        return build_week(week, wanted, run, force=self._force)

    def _read_before(self, week: date, parsed: Parsed) -> tuple[Landing, Parsed]:
        """The landing folder with all that the week will capture read, and the contents read.

        A file that is not what the index says is examined again.
        """
        landing, today = self._scan.landing(parsed), self._run.today
        held = captures.names_of_week(self._run.lake, week)
        read: Parsed = {}
        changed = []
        for item in (*landing.of_week(week), *landing.totals_of_week(week)):
            place = item.placement
            name = captures.name_of(place.tier, place.venue_class, item.sha256, place.grain)
            if item.parsed is None and item.name not in read and name not in held:
                try:
                    read[item.name] = read_whole(item, today)
                except ContentChanged:
                    changed.append(item)
                except (FileRefused, OSError):
                    continue  # `intake` refuses it with its reason
        parsed = parsed | read | self._scan.examine_again(changed)
        return self._scan.landing(parsed), parsed

    def _is_nothing(self, result: WeekResult) -> bool:
        """Whether a week of many turned out to have no file after all, not even a refused one."""
        if self._alone or not isinstance(result.error, NoInput):
            return False
        landing = self._scan.landing()
        return result.week not in {*landing.weeks(), *landing.refused_weeks()}

    # --- memory and the index

    def _has_room(self, running: deque[tuple[int, Future[WeekResult]]], week: date) -> bool:
        if not running:
            return True
        if len(running) > 2 * self._limits.threads:
            return False  # what is done waits for one that is not
        used = sum(size for size, future in running if not future.done())
        wanted = used + self._bytes_for(week)
        return _AT_REST_BYTES + wanted <= self._limits.memory_bytes

    def _bytes_for(self, week: date) -> int:
        """Memory that building a week takes, by the size of its files."""
        unread = sum(_text_bytes(item.path, item.size) for item in self._unread.get(week, ()))
        text = unread + self._text_bytes.get(week, 0)
        if not text:
            text = _PACKED * self._run.lake.stored_bytes(raw.TABLE.name, week)
        return _BYTES_PER_BYTE * text

    def _save_now_and_then(self) -> None:
        if time.monotonic() - self._saved_at > _SAVE_SECONDS:
            self._scan.save()
            self._saved_at = time.monotonic()


def _text_by_week(landing: Landing) -> dict[date, int]:
    """Bytes of the files that are known already; an archive counts in full for each member."""
    found: dict[date, int] = {}
    for item in landing.deliveries:
        with suppress(OSError):  # removed since it was listed
            size = _text_bytes(item.path, item.path.stat().st_size)
            week = item.placement.week_ending
            found[week] = found.get(week, 0) + size
    return found


def _text_bytes(path: Path, size: int) -> int:
    return size * (_PACKED if path.suffix.lower() in (".gz", ".zip") else 1)
