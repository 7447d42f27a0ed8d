"""Plays a delivery history against the real code, and compares with the oracle after each run.

Weeks are built in this process and not through Dagster, for speed. Belongs here: acting on a data
folder, and the comparisons. Does not belong here: what is right (`history_oracle`).
"""

from __future__ import annotations

import atexit
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.lake.local import LocalLake
from spine_assets.otc.build.week import build_week
from spine_assets.otc.build.week_range import Limits, ManyWeeks
from spine_assets.otc.captures import pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.delivery import scan as scanning
from spine_assets.otc.delivery.deliveries import Landing
from spine_assets.otc.delivery.scan import Scan
from spine_assets.otc.past.as_of import NotKnown, table_as_of
from spine_assets.otc.state.build_context import RunContext
from spine_assets.otc.state.results import CheckResult, NoInput, WeekResult
from spine_assets.otc.tables.registry import TABLES
from spine_assets_tests.abuse.histories import Build, Decide, Drop, History, Remove, Slot
from spine_assets_tests.abuse.history_oracle import Content, Oracle, Proposal, Verdict, copies

_WANTED = ("otc_raw", "otc_rejects", "otc_venue_volume")
_VENUES = "otc_venue_volume"
_STEP = timedelta(seconds=3)
_MOMENTS = 6  # of earlier runs, at most, that are asked for again
Shown = dict[Slot, Counter[tuple[str, int, int]]]


@dataclass(frozen=True)
class Failure:
    """A difference between code and oracle."""

    kind: str
    detail: str


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """One for all histories of a process: opening it takes a tenth of a second."""
    return duckdb.connect(":memory:")


@cache
def _declared() -> Path:
    """A lake without weeks, of which each history gets a copy."""
    folder = Path(tempfile.mkdtemp(prefix="spine-empty-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    LocalLake(folder).declare(TABLES)
    return folder


@contextmanager
def settled() -> Iterator[None]:
    """Files are delivered whole here, so a scan need not wait for a writer."""
    before, scanning.SETTLE_SECONDS = scanning.SETTLE_SECONDS, 0.0
    try:
        yield
    finally:
        scanning.SETTLE_SECONDS = before


@dataclass
class Player:
    """A data folder under a history, with what the oracle knows of it."""

    root: Path
    database: duckdb.DuckDBPyConnection
    tally: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    oracle: Oracle = field(default_factory=Oracle)
    now: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(minutes=30))
    published: list[tuple[datetime, date, Shown]] = field(default_factory=list)
    refused: dict[date, dict[str, str]] = field(default_factory=dict)
    decided: set[Slot] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.landing = self.root / "landing"
        self.landing.mkdir(parents=True)
        self.lake = LocalLake(self.root / "lake")
        shutil.copytree(_declared(), self.lake.root)

    def play(self, history: History) -> list[Failure]:
        """All steps, up to the first failure."""
        for number, step in enumerate(history.steps):
            self._act(step)
            if self.failures:
                return [Failure(f.kind, f"step {number}: {f.detail}") for f in self.failures]
        self._replay()
        self._look_for_copies()
        return self.failures

    def _fail(self, kind: str, detail: str) -> None:
        self.failures.append(Failure(kind, detail))

    def _act(self, step: Drop | Remove | Build | Decide) -> None:
        self.now += _STEP
        if isinstance(step, Drop):
            path = self.landing / step.file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(step.file.delivered)
            self.oracle.landing[step.file.number] = step.file
        elif isinstance(step, Remove):
            if (gone := self.oracle.landing.pop(step.number, None)) is not None:
                (self.landing / gone.name).unlink()
        elif isinstance(step, Decide):
            self._decide(step)
        else:
            self._build(step)

    def _decide(self, step: Decide) -> None:
        for slot, sha256 in self.oracle.slots_of(step.number):
            self.decided.add(slot)
            key = (Tier(slot.tier), VenueClass(slot.venue_class))
            (item,) = [
                one
                for one in captures.stored(self.lake, slot.week)
                if (one.key, one.sha256) == (key, sha256)
            ]
            self.tally[step.action] += 1
            if step.action == "pin":
                pins.add(self.lake, slot.week, key, item.capture_id, self.now)
                self.oracle.pin(slot, sha256)
            elif step.action == "retract":
                action = pins.PinAction.RETRACT
                pins.add(self.lake, slot.week, key, item.capture_id, self.now, action)
                self.oracle.retract(slot, sha256)
            else:
                pins.add(self.lake, slot.week, key, pins.RELEASED, self.now)
                self.oracle.pinned.pop(slot, None)

    # --- builds

    def _build(self, step: Build) -> None:
        pending = self.oracle.uncaptured()
        verdicts = [(c, place, *self.oracle.verdict(c, place)) for c, place in pending]
        weeks = {place.slot.week for _, place in self.oracle.contents() if place.slot}
        weeks |= {slot.week for slot in self.oracle.held}
        results, landing = self._run(step, sorted(weeks))
        self.tally["builds"] += 1
        for result in results:
            self.refused[result.week] = _refused(result)
        for content, place, verdict, why in verdicts:
            self._judge(content, place, verdict, why, landing)
        self._look_for_strangers(sorted({*weeks, *self.lake.weeks("otc_raw")}))
        for result in results:
            self._compare_week(result)

    def _run(self, step: Build, weeks: list[date]) -> tuple[list[WeekResult], Landing]:
        opened = Scan(self.landing, self.root / "landing-index.json")
        now = self.now
        if step.threads == 0:
            opened.examine(opened.pending)
            opened.save()
        landing = opened.landing()
        run = RunContext(self.lake, landing, lambda: closing(self.database.cursor()), lambda: now)
        if step.threads == 0:
            order = random.Random(step.shuffle).sample(weeks, len(weeks))
            return [build_week(w, _WANTED, run).finish() for w in order], landing
        limits = Limits(threads=step.threads)
        many = ManyWeeks(weeks, _WANTED, run, opened, limits=limits)
        results = {result.week: result for result in many.results()}
        return list(results.values()), opened.landing()

    def _judge(
        self, content: Content, place: Proposal, verdict: Verdict, why: str, landing: Landing
    ) -> None:
        """Whether a content was captured, as it had to be or not, and a refusal has a reason."""
        slot = place.slot
        is_captured = slot is not None and content.sha256 in self._stored(slot)
        self.tally[f"{verdict}: {'captured' if is_captured else 'refused'}"] += 1
        if is_captured and slot is not None:
            self.oracle.capture(content, slot, self.now)
            if content.part.slot != slot:
                self.tally["captured in a wrong week that nothing contradicted"] += 1
        if is_captured and verdict is Verdict.REFUSE:
            self._fail("captured", f"{content.file} as {slot}; but {why}")
        if is_captured:
            return
        reason = self._reason(content, place, landing)
        if verdict is Verdict.ACCEPT:
            self._fail("refused", f"{content.file}: {reason}; but {why}")
        if reason is None:
            self._fail("in no state", f"{content.file} is neither captured nor refused ({why})")

    def _stored(self, slot: Slot) -> set[str]:
        key = (slot.tier, slot.venue_class)
        return {i.sha256 for i in captures.stored(self.lake, slot.week) if i.key == key}

    def _reason(self, content: Content, place: Proposal, landing: Landing) -> str | None:
        """Why nothing of a file is loaded, as people are told."""
        found: dict[str, str] = {item.name: item.reason for item in landing.unusable}
        if place.slot is not None:
            found |= self.refused.get(place.slot.week, {})
        same = [f.name for f in self.oracle.landing.values() if f.sha256 == content.sha256]
        return next((found[n] for n in found if n.partition("!")[0] in same), None)

    def _look_for_strangers(self, weeks: list[date]) -> None:
        """No capture is where the rules do not put it."""
        for week in weeks:
            for item in captures.stored(self.lake, week):
                slot = Slot(week, str(item.tier), str(item.venue_class))
                if item.sha256 not in self.oracle.held.get(slot, {}):
                    self._fail("captured", f"{item.source_file} as {slot}, where nothing puts it")

    # --- what is shown

    def _compare_week(self, result: WeekResult) -> None:
        week = result.week
        slots = [slot for slot in self.oracle.held if slot.week == week]
        if result.error is not None:
            if slots or not isinstance(result.error, NoInput):
                self._fail("failed", f"{week}: {result.error}")
            return
        wanted = {s: now.content.shown for s in slots if (now := self.oracle.current(s))}
        shown = self._shown(week)
        for slot in {*wanted, *shown}:
            if wanted.get(slot) != shown.get(slot):
                self._fail("shown", self._difference(slot, shown.get(slot)))
        known = captures.known_of(self.lake, week)
        for slot in slots:
            states = {
                item.sha256: str(known.state(item)[0])
                for item in known.captures
                if item.key == slot[1:]
            }
            if states != self.oracle.states(slot):
                self._fail("states", f"{slot}: {states}, but {self.oracle.states(slot)}")
        self.published.append((self.now, week, wanted))

    def _shown(self, week: date) -> Shown:
        path = self.lake.part(_VENUES, week)
        return _by_slot(week, self.lake.read(path)) if path.exists() else {}

    def _difference(self, slot: Slot, shown: Counter[tuple[str, int, int]] | None) -> str:
        held = self.oracle.held.get(slot, {})
        like = [str(h.content.file) for h in held.values() if h.content.shown == shown]
        wanted = self.oracle.current(slot)
        return (
            f"{slot} shows {like or ('nothing' if shown is None else 'other rows')}; wanted is "
            f"{wanted.content.file if wanted else 'nothing'} of {self.oracle.states(slot)}"
        )

    def _replay(self) -> None:
        """As of earlier runs the tables are those that were published then."""
        dice = random.Random(len(self.published))
        for moment, week, wanted in dice.sample(self.published, min(_MOMENTS, len(self.published))):
            try:
                found = _by_slot(week, table_as_of(self.lake, _VENUES, week, moment))
            except NotKnown:
                found = {}
            if found != wanted:
                self._fail("as of", f"{week} as of {moment} is not what was published then")

    def _look_for_copies(self) -> None:
        """No two weeks show one content, unless somebody is told or decided so."""
        current = [(slot, now) for slot in self.oracle.held if (now := self.oracle.current(slot))]
        wrong = len([*self.oracle.wrongly_current()])
        self.tally["wrong at the end, and nothing contradicted it in time"] += wrong
        files = {slot: held.content.file.name for slot, held in current}
        for one, other in copies((slot, held.content) for slot, held in current):
            weeks = (one.week, other.week)
            named = {n.partition("!")[0] for week in weeks for n in self.refused.get(week, {})}
            if not {one, other} & self.decided and not {files[one], files[other]} & named:
                both = f"{files[one]} and {files[other]}"
                self._fail("silent copy", f"{one} and {other} show the same figures: {both}")


def _by_slot(week: date, frame: pl.DataFrame) -> Shown:
    found: Shown = {}
    columns = ("tier", "venue_class", "symbol", "share_volume", "trade_count")
    for tier, venue_class, symbol, shares, trades in frame.select(columns).iter_rows():
        rows = found.setdefault(Slot(week, tier, venue_class), Counter())
        rows[symbol, int(shares), trades] += 1
    return found


def _refused(result: WeekResult) -> dict[str, str]:
    """All files that the check `delivery` of a week names, with what it says."""
    found: dict[str, str] = {}
    for event in result.events:
        if isinstance(event, CheckResult) and event.check == "delivery":
            rows: list[dict[str, Any]] = event.samples
            found |= {str(row["what"]): f"{row['finding']}: {row['detail']}" for row in rows}
    return found


def play(root: Path, history: History) -> tuple[list[Failure], Counter[str]]:
    """The first differences of a history, and what was counted."""
    with settled(), closing(_database().cursor()) as database:
        player = Player(root, database)
        return player.play(history), player.tally
