"""Builds the reports of a run: of the weeks it built, and of later weeks that compare with them.

A report is made after the last check of its week, from stored tables, under the week's lock. A page
that would not change is not written again. Belongs here: when a page is made, and the result that
is yielded for it. Does not belong here: figures, charts and wording.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date
from typing import Any

from spine_assets.lake.base import LakeError, LakeFile
from spine_assets.lake.replace import replace_file
from spine_assets.otc.build.week import check_week
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.state.build_context import RunContext
from spine_assets.otc.state.freshness import Freshness, build_facts, freshness
from spine_assets.otc.state.results import BuildFailed, CheckResult, TableBuilt, WeekResult
from spine_assets.otc.status import tiers_of
from spine_assets.otc.tables.registry import TABLES
from spine_assets.report import NAME, charts, index, notes, page, source, stored, values
from spine_assets.report.source import Points
from spine_assets.report.stored import Stamp

_EVERY_CHECK = [(table.name, check.name) for table in TABLES for check in table.checks]


class Reports:
    """The reports of one run. Not to be shared by threads.

    Args:
        place: Lake, landing folder and clock.
        force: Also write pages that would not change.
    """

    def __init__(self, place: RunContext, *, force: bool = False) -> None:
        self._place, self._force = place, force
        self._built: list[date] = []
        self._points = Points()
        self._facts: dict[LakeFile, tuple[object, dict[str, Any]]] = {}

    def add(self, result: WeekResult, place: RunContext) -> None:
        """Make the report of a week that was built or checked, and add it to the result.

        Args:
            result: Of the week; a week that failed gets no new report, and keeps its earlier one.
            place: With the current listing of the landing folder.
        """
        self._place = place
        if result.error is not None:
            return
        begun = time.perf_counter()
        try:
            result.events.append(self._report(result.week, result.events))
        except (BuildFailed, LakeError) as error:
            result.error = error
        result.seconds += time.perf_counter() - begun

    def rebuild_stale(self) -> list[WeekResult]:
        """Make the reports of other weeks again that compare with a week of this run."""
        found = []
        for week in stored.stale_after(self._place.lake, self._built, self._remembered):
            result = WeekResult(week)
            self.add(result, self._place)
            found.append(result)
        return found

    def close(self) -> None:
        """Write the index, if a report was made."""
        if self._built:
            index.write(self._place.lake)

    def _report(self, week: date, events: Sequence[Any]) -> TableBuilt:
        started = time.perf_counter()
        lake = self._place.lake
        results = self._checked(week, events)
        with lake.lock(week, self._place.given_up):
            self._require_tables(week)
            inputs = stored.inputs(lake, week, self._remembered)
            earlier = stored.stamp_of(lake, stored.page_path(lake, week))
            build = self._build(week, inputs, results)
            is_same = earlier is not None and earlier.build == build and not self._force
            if is_same and stored.chart_path(lake, week).exists():
                facts, unchanged = earlier.facts, True  # type: ignore[union-attr]
            else:
                facts, unchanged = self._write(week, inputs, build, results), False
        self._built.append(week)
        seconds = round(time.perf_counter() - started, 3)
        return TableBuilt(NAME, build, unchanged, facts | self._places(week, seconds))

    def _checked(self, week: date, events: Sequence[Any]) -> list[CheckResult]:
        """The results of all checks of the week; checks that this run did not make are made now."""
        found = {(item.table, item.check): item for item in events if isinstance(item, CheckResult)}
        missing = [name for name in _EVERY_CHECK if name not in found]
        if missing:
            self._require_tables(week)
            more = check_week(week, missing, self._place)
            if more.error is not None:
                raise more.error
            found |= {(i.table, i.check): i for i in more.events if isinstance(i, CheckResult)}
        return [found[name] for name in _EVERY_CHECK]

    def _require_tables(self, week: date) -> None:
        lake = self._place.lake
        known = captures.known_of(lake, week)
        stale = [t.name for t in TABLES if freshness(lake, t.name, week, known) != Freshness.FRESH]
        if stale:
            chosen = ",".join([*(table.name for table in TABLES), NAME])
            raise BuildFailed(
                f"{week}: {NAME} needs {', '.join(stale)}, missing or older than the captures; "
                f"run dagster asset materialize -m spine_assets.definitions --select '{chosen}' "
                f"--partition {week}"
            )

    def _build(self, week: date, inputs: str, results: Sequence[CheckResult]) -> str:
        """Digest of everything on the page: builds, checks, and which tiers are due now."""
        outcomes = [
            [item.table, item.check, notes.outcome(item), "" if item.passed else item.summary]
            for item in results
        ]
        today = self._place.today
        known = captures.known_of(self._place.lake, week)
        tiers = tiers_of(week, known, self._place.landing, today).items()
        return stored.digest([inputs, outcomes, [f"{name}={tier.state}" for name, tier in tiers]])

    def _write(
        self, week: date, inputs: str, build: str, results: Sequence[CheckResult]
    ) -> dict[str, Any]:
        lake = self._place.lake
        read = source.read(self._place, week, self._points)
        shown = values.values(self._place, read, results)
        stamp = Stamp(inputs, build, values.facts(read, shown, results))
        drawn = charts.svg(charts.venues(shown["venues"], marked=read.pair.is_alike))
        quarter = charts.svg(charts.quarter(read.points))
        shown["charts"] = {
            "venues": charts.coloured(drawn, charts.PAGE_COLOURS),
            "quarter": charts.coloured(quarter, charts.PAGE_COLOURS),
        }
        html = page.render("report.html.j2", stamp=stamp.text(), version=stored.VERSION, **shown)
        for content, target in (
            (charts.coloured(drawn, charts.LIGHT), stored.chart_path(lake, week)),
            (html, stored.page_path(lake, week)),
        ):
            replace_file(lake, target, content.encode())
        return stamp.facts

    def _places(self, week: date, seconds: float) -> dict[str, Any]:
        lake = self._place.lake
        return {
            "report": stored.page_path(lake, week),
            "index": stored.index_path(lake),
            "chart": stored.chart_path(lake, week),
            "seconds": seconds,
        }

    def _remembered(self, part: LakeFile) -> dict[str, Any]:
        """`build_facts` of a file, read again only when the file has changed."""
        stamp = self._place.lake.stamp(part)
        if stamp is None:
            return {}
        kept = self._facts.get(part)
        if kept is None or kept[0] != stamp:
            kept = self._facts[part] = (stamp, build_facts(self._place.lake, part))
        return kept[1]
