"""Builds one week: captures what arrived, then each wanted table in turn.

For each table: build the frame, stage the file, run its checks, publish by rename. A
blocking check that fails leaves the old file in place and ends the week there. All of it
happens under the week's lock, and nothing here knows who asked (Dagster, CLI or a test).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date
from functools import partial
from typing import Any

import polars as pl

from spine_assets.core.tables import Check, Table, exact_sum, exact_total
from spine_assets.core.values import number
from spine_assets.lake.base import LakeError, LakeFile
from spine_assets.otc.build.builders import build, build_id
from spine_assets.otc.build.workplace import Workplace
from spine_assets.otc.captures import intake, pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.model import Capture, CapturedFrames, TierClass, WeekCaptures
from spine_assets.otc.checks import registry as checks_registry
from spine_assets.otc.checks.context import CheckContext
from spine_assets.otc.delivery.deliveries import Unusable
from spine_assets.otc.delivery.reasons import Stage
from spine_assets.otc.state.frames import WeekFrames
from spine_assets.otc.state.results import BuildFailed, CheckResult, NoInput, TableBuilt, WeekResult
from spine_assets.otc.state.versions import (
    RULE_PART,
    Freshness,
    build_facts,
    build_hash,
    data_version,
    freshness,
    part_of,
)
from spine_assets.otc.tables import raw, rejects, venue_volume
from spine_assets.otc.tables.registry import TABLES, upstream


def build_week(
    week: date,
    wanted: Collection[str],
    place: Workplace,
    *,
    unusable: list[Unusable],
    force: bool = False,
) -> WeekResult:
    """Build the wanted tables of a week, with all its checks."""
    return begin_week(week, wanted, place, unusable=unusable, force=force).finish()


def begin_week(
    week: date,
    wanted: Collection[str],
    place: Workplace,
    *,
    unusable: list[Unusable],
    force: bool = False,
) -> WeekResult:
    """Build the wanted tables of a week; checks that look back wait for `finish`.

    Args:
        week: Week ending.
        wanted: Table names; those not wanted are read from the lake and must be fresh.
        place: Where.
        unusable: Files that the week's `delivery` check should name.
        force: Build also what is unchanged.
    """
    return _held(
        week,
        place,
        lambda result: _WeekBuild(week, set(wanted), place, unusable, force, result).run(),
    )


def check_week(week: date, wanted: Collection[tuple[str, str]], place: Workplace) -> WeekResult:
    """Run checks, by (table, check), on a week as it stands; nothing is built."""
    return _held(
        week,
        place,
        lambda result: _WeekBuild(week, set(), place, [], False, result).check_only(wanted),
    )


def _held(week: date, place: Workplace, work: Callable[[WeekResult], None]) -> WeekResult:
    """Work on a week under its lock."""
    result = WeekResult(week)
    started = time.perf_counter()
    try:
        with place.lake.lock(week, place.given_up):
            work(result)
    except (BuildFailed, LakeError) as error:
        result.error = error
    result.seconds = time.perf_counter() - started
    return result


class _WeekBuild:
    """One build of one week; lives as long as the lock is held."""

    def __init__(
        self,
        week: date,
        wanted: set[str],
        place: Workplace,
        unusable: list[Unusable],
        force: bool,
        result: WeekResult,
    ) -> None:
        self.week, self.wanted, self.place, self.force = week, wanted, place, force
        self.unusable = list(unusable)
        self.result = result
        self.lake = place.lake
        self.fresh: list[CapturedFrames] = []
        self.known = WeekCaptures(())
        self.same_content: dict[str, str] = {}
        self.in_other_weeks: dict[str, str] = {}
        self.frames = WeekFrames(self.lake, week, self.known)

    def run(self) -> None:
        self.lake.remove_leftovers(self.week)
        captures.remove_uncommitted(self.lake, self.week)
        self._choose_captures(self.wanted)
        for declared in TABLES:
            if declared.name not in self.wanted:
                continue
            if declared.name == raw.TABLE.name:
                self._publish_raw()
            else:
                self._require_fresh(declared)
                self._publish_derived(declared)

    def check_only(self, wanted: Collection[tuple[str, str]]) -> None:
        self.unusable = list(self.place.landing.unusable)
        self._choose_captures({name for name, _ in wanted})
        for declared in TABLES:
            checks = [check for check in declared.checks if (declared.name, check.name) in wanted]
            if checks:
                self._require_fresh(declared)
                self._require_stored(declared.name, declared.name)
                context = self._context(declared, {})
                self.result.events += [checks_registry.run(check, context) for check in checks]

    # --- captures

    def _choose_captures(self, asked: set[str]) -> None:
        for table in (raw.TABLE, rejects.TABLE):
            for path in self.lake.files(table.name, self.week):
                if path.name != RULE_PART:
                    self.lake.verify(path)
        stored = captures.stored(self.lake, self.week)
        delivered = self.place.landing.of_week(self.week)
        arrived = intake.uncaptured(delivered, stored)
        taken = intake.take(arrived, stored, self.lake, self.place.now())
        self.unusable += taken.refused
        if raw.TABLE.name in self.wanted:
            self.fresh = taken.captured
        elif taken.captured:
            names = ", ".join(item.capture.source_file for item in taken.captured)
            raise BuildFailed(
                f"{self.week}: otc_raw is older than its files ({names}); "
                f"run {self._selection(self._with_upstream({raw.TABLE.name, *asked}))}"
            )
        held = [*stored, *(item.capture for item in self.fresh)]
        self.same_content = intake.same_content(delivered, held)
        self.in_other_weeks = self.place.landing.in_other_weeks(self.week)
        self.known = WeekCaptures(tuple(held), tuple(pins.stored(self.lake, self.week)))
        if not self.current:
            raise NoInput(self._no_input())
        self.frames = WeekFrames(self.lake, self.week, self.known, self.fresh)

    @property
    def current(self) -> dict[TierClass, Capture]:
        """The captures that count."""
        return self.known.current

    def _no_input(self) -> str:
        lines = [f"{self.week}: no usable file for this week in the landing folder"]
        named = self.unusable or list(self.place.landing.unusable)
        lines += [f"  unusable: {item.name}: {item.reason}" for item in named]
        return "\n".join(lines)

    def _publish_raw(self) -> None:
        started = time.perf_counter()
        declared = raw.TABLE
        context = self._context(declared, {})
        self._check(declared, context)
        for captured in self.fresh:
            captures.commit(self.lake, captured)
        current = list(self.current.values())
        self.result.events.append(
            TableBuilt(
                declared.name,
                data_version(declared, self.known),
                unchanged=not self.fresh,
                facts={
                    "rows": sum(item.rows for item in current),
                    "shares": number(exact_total(item.row_shares for item in current)),
                    "parse_rejects": sum(item.reject_lines for item in current),
                    "trades": int(self.frames[declared.name]["trade_count"].sum()),
                    "captures": len(self.known.captures),
                    "same_content": self.same_content,
                    **self._input_facts(),
                    "seconds": round(time.perf_counter() - started, 3),
                },
            )
        )

    # --- derived tables

    def _publish_derived(self, declared: Table) -> None:
        started = time.perf_counter()
        target = part_of(self.lake, declared.name, self.week)
        held = build_facts(self.lake, target)
        wanted = build_hash(declared, self.known)
        if held.get("build") == wanted and not self.force and self._is_whole(target):
            self._again(declared, held)
            return
        name = build_id(declared, self.known, self.place.now())
        try:
            frame = build(declared, self.frames, name)
        except pl.exceptions.InvalidOperationError as error:
            raise BuildFailed(
                f"{self.week}: {declared.name} cannot be built: a total does not fit its type "
                f"({str(error).splitlines()[0]}); look for absurd quantities in otc_raw"
            ) from error
        self.frames[declared.name] = frame
        facts = self._facts(declared, frame, name)
        metadata = {"build": wanted, "facts": facts}
        staged = self.lake.stage(self._stored_rows(declared, frame), target, metadata)
        try:
            context = self._context(declared, {declared.name: [staged]})
            self._check(declared, context)
            self.lake.publish(staged, target)
        finally:
            staged.unlink(missing_ok=True)
        if declared.name == venue_volume.TABLE.name:
            self.place.venue_totals.keep(self.lake, self.week, self.frames.venue_totals)
        seconds = round(time.perf_counter() - started, 3)
        self.result.events.append(
            TableBuilt(
                declared.name,
                data_version(declared, self.known),
                False,
                facts | {"seconds": seconds},
            )
        )

    def _is_whole(self, target: LakeFile) -> bool:
        """Whether a derived file is as it was written; else it is built again."""
        try:
            self.lake.verify(target)
        except LakeError:
            return False
        return True

    def _again(self, declared: Table, held: dict[str, Any]) -> None:
        """Say again what stands.

        Blocking checks held when the file was published and the file is the same; the
        others look at other weeks or at today as well, so they run anew.
        """
        started = time.perf_counter()
        context = self._context(declared, {})
        for check in declared.checks:
            if check.blocking:
                held_then = f"held when build {held['facts']['build_id']} was published, unchanged"
                result = context.result(
                    check.name, True, held_then, facts={"rows": held["facts"]["rows"]}
                )
                self.result.events.append(replace(result, blocking=True))
            else:
                self._check_now_or_later(context, check)
        facts = held["facts"] | {"seconds": round(time.perf_counter() - started, 3)}
        self.result.events.append(
            TableBuilt(declared.name, data_version(declared, self.known), True, facts)
        )

    def _require_fresh(self, declared: Table) -> None:
        """Every table it is made from is wanted too, or stored and up to date."""
        for name in upstream(declared.name):
            if name not in self.wanted:
                self._require_stored(name, declared.name)
                if name != raw.TABLE.name:
                    self.lake.verify(part_of(self.lake, name, self.week))

    def _require_stored(self, name: str, needed_by: str) -> None:
        state = freshness(self.lake, name, self.week, self.known)
        if state is not Freshness.FRESH:
            found = "older than its inputs" if state is Freshness.STALE else "missing"
            raise BuildFailed(
                f"{self.week}: {needed_by} needs {name}, which is {found}; "
                f"run {self._selection(self._with_upstream({*self.wanted, needed_by}))}"
            )

    # --- checks

    def _context(self, declared: Table, staged: Mapping[str, Sequence[LakeFile]]) -> CheckContext:
        files = {
            raw.TABLE.name: [captures.raw_path(self.lake, c) for c in self.current.values()],
            **{
                t.name: [part_of(self.lake, t.name, self.week)]
                for t in TABLES
                if t.name != raw.TABLE.name
            },
            **staged,
        }
        return CheckContext(
            week=self.week,
            today=self.place.now().astimezone(UTC).date(),
            lake=self.lake,
            connect=self.place.connect,
            captures=list(self.known.captures),
            current=self.current,
            new=[item.capture for item in self.fresh],
            new_rows=[item.rows for item in self.fresh],
            unusable=self.unusable,
            pins=list(self.known.pins),
            same_content=self.same_content,
            in_other_weeks=self.in_other_weeks,
            venue_totals=self.place.venue_totals,
            table=declared,
            frames=self.frames,
            files=files,
        )

    def _check(self, declared: Table, context: CheckContext) -> None:
        """Run a table's checks before it is published.

        Raises:
            BuildFailed: a blocking one failed.
        """
        begun = len(self.result.events)
        for check in declared.checks:
            self._check_now_or_later(context, check)
        found = self.result.events[begun:]
        failed = [
            item
            for item in found
            if isinstance(item, CheckResult) and item.blocking and not item.passed
        ]
        if failed:
            said = "; ".join(f"{item.check}: {item.summary}" for item in failed)
            raise BuildFailed(f"{self.week}: {declared.name} was not published: {said}")

    def _check_now_or_later(self, context: CheckContext, check: Check) -> None:
        if check.compares_weeks:
            self.result.later.append(partial(checks_registry.run, check, context.after_the_build()))
        else:
            self.result.events.append(checks_registry.run(check, context))

    # --- frames, files and versions

    def _stored_rows(self, declared: Table, frame: pl.DataFrame) -> pl.DataFrame:
        """What the table's own file holds: parse rejects stand beside their captures."""
        if declared.name == rejects.TABLE.name:
            return frame.filter(pl.col("stage") == Stage.RULE.value)
        return frame

    def _facts(self, declared: Table, frame: pl.DataFrame, name: str) -> dict[str, Any]:
        facts: dict[str, Any] = {"rows": frame.height, "build_id": name}
        volumes = [name for name in ("share_volume", "total_volume") if name in frame.columns]
        if volumes:
            facts["shares"] = number(exact_sum(frame[volumes[0]]))
        if declared.figures is not None:
            facts |= declared.figures(frame)
        return facts | self._input_facts()

    def _input_facts(self) -> dict[str, Any]:
        current = self.current.values()
        return {
            "tiers_in": sorted({item.tier.value for item in current}),
            "files": [item.source_file for item in current],
            "capture_ids": [item.capture_id for item in current],
        }

    def _with_upstream(self, names: Collection[str]) -> set[str]:
        return {*names, *(dep for name in names for dep in upstream(name))}

    def _selection(self, names: Collection[str]) -> str:
        chosen = ",".join(t.name for t in TABLES if t.name in names)
        return (
            f"dagster asset materialize -m spine_assets.definitions --select '{chosen}' "
            f"--partition {self.week}"
        )
