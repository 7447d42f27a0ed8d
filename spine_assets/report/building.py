"""Builds the reports of a run: of the weeks it built, and of later ones that look back at them.

A report is made after its week's last check, from what is stored, under the week's lock. It is
left alone where it would tell the same. Belongs here: when a page is made and what is yielded for
it. Does not belong here: figures, drawings and wording.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, date
from typing import Any

from spine_assets.core.tables import exact_sum
from spine_assets.core.values import number
from spine_assets.lake.base import LakeError, LakeFile
from spine_assets.lake.replace import replace_file
from spine_assets.otc.build.week import check_week
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.state.results import BuildFailed, CheckResult, TableBuilt, WeekResult
from spine_assets.otc.state.run_context import RunContext
from spine_assets.otc.state.versions import Freshness, build_facts, freshness, part_of
from spine_assets.otc.status import tiers_of
from spine_assets.otc.tables.registry import TABLES
from spine_assets.report import NAME, charts, index, market, notes, page, source, stored, symbols
from spine_assets.report.source import Points, Source
from spine_assets.report.stored import Stamp

_MOST_SYMBOLS = 8  # of each tier, in each list: three tiers fit two printed pages
_MOST_VENUES = 25
_METADATA_ROWS = 10
_EVERY_CHECK = [(table.name, check.name) for table in TABLES for check in table.checks]


class Reports:
    """The reports of one run. Not to be shared by threads.

    Args:
        place: Where.
        force: Make also what would tell the same.
    """

    def __init__(self, place: RunContext, *, force: bool = False) -> None:
        self._place, self._force = place, force
        self._built: list[date] = []
        self._points = Points()
        self._facts: dict[LakeFile, tuple[object, dict[str, Any]]] = {}

    def add(self, result: WeekResult, place: RunContext) -> None:
        """Make the report of a week that was built or checked, and tell it in the result.

        Args:
            result: Of the week; one that failed gets no report, its earlier one stays.
            place: Where, with the landing folder as it is known by now.
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

    def overtaken(self) -> list[WeekResult]:
        """Reports of other weeks that told one of the weeks just built as it was before."""
        found = []
        for week in stored.stale_after(self._place.lake, self._built, self._remembered):
            result = WeekResult(week)
            self.add(result, self._place)
            found.append(result)
        return found

    def close(self) -> None:
        """Write the index, if there is anything new in it."""
        if self._built:
            index.write(self._place.lake)

    def _report(self, week: date, events: Sequence[Any]) -> TableBuilt:
        started = time.perf_counter()
        lake = self._place.lake
        results = self._checked(week, events)
        with lake.lock(week, self._place.given_up):
            self._require_tables(week)
            inputs = stored.inputs(lake, week, self._remembered)
            held = stored.stamp_of(lake, stored.page_path(lake, week))
            build = self._build(week, inputs, results)
            is_same = held is not None and held.build == build and not self._force
            if is_same and stored.chart_path(lake, week).exists():
                facts, unchanged = held.facts, True  # type: ignore[union-attr]
            else:
                facts, unchanged = self._write(week, inputs, build, results), False
        self._built.append(week)
        seconds = round(time.perf_counter() - started, 3)
        return TableBuilt(NAME, build, unchanged, facts | self._places(week, seconds))

    def _checked(self, week: date, events: Sequence[Any]) -> list[CheckResult]:
        """What every check of the week found: those of this run, else made now."""
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
        """Digest of all that the page tells: builds, checks, and which tiers are due by now."""
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
        told = source.read(self._place, week, self._points)
        values = _values(self._place, told, results)
        stamp = Stamp(inputs, build, _facts(told, values, results))
        drawn = charts.svg(charts.venues(values["venues"], marked=told.pair.is_alike))
        values["charts"] = {
            "venues": charts.coloured(drawn, charts.PAGE_COLOURS),
            "quarter": charts.coloured(
                charts.svg(charts.quarter(told.points)), charts.PAGE_COLOURS
            ),
        }
        html = page.render("report.html.j2", stamp=stamp.text(), version=stored.VERSION, **values)
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
        """`build_facts` of a file, read once as long as it is the same file."""
        stamp = self._place.lake.stamp(part)
        if stamp is None:
            return {}
        held = self._facts.get(part)
        if held is None or held[0] != stamp:
            held = self._facts[part] = (stamp, build_facts(self._place.lake, part))
        return held[1]


def _values(place: RunContext, told: Source, results: Sequence[CheckResult]) -> dict[str, Any]:
    """All that the page tells, as its template names it."""
    now = place.now().astimezone(UTC)
    totals = told.pair.now.frame
    by_tier = symbols.by_tier(told.summary, told.summary_before, told.pair, _MOST_SYMBOLS)
    listed = [row["symbol"] for tier in by_tier for row in (*tier.top, *tier.movers)]
    reasons, lines = notes.rejects(told)
    is_complete = bool(told.shares["is_complete"].all()) and told.shares.height > 0
    arrived = notes.arrivals(place, told, now.date())
    return {
        "week": told.week,
        "trading_days": notes.trading_days(told.week),
        "built_at": now,
        "is_complete": is_complete,
        "is_overdue": notes.is_overdue(arrived),
        "caveats": notes.caveats(told, is_complete),
        "is_synthetic": notes.is_synthetic(told),
        "limits": told.pair.limits,
        "is_alike": told.pair.is_alike,
        "against": told.pair.before.week if told.pair.before else None,
        "change_pct": market.change_pct(told.pair),
        "shares": exact_sum(told.shares["total_volume"]),
        "trades": int(told.shares["total_trades"].sum()),
        "symbol_count": told.summary["symbol"].n_unique(),
        "venues": market.venue_rows(told.shares, told.pair),
        "most_venues": _MOST_VENUES,
        "gone": market.gone(told.pair),
        "concentrations": market.concentrations(totals),
        "split": market.class_split(totals),
        "tiers": by_tier,
        "names": source.issue_names(place.lake, told.week, listed),
        "arrivals": arrived,
        "points": told.points,
        "reasons": reasons,
        "lines": lines,
        "checks": notes.checks(results),
        "restated": told.restated.sort("displaced_at", "tier", "venue_class", "step").to_dicts(),
        "captures": list(told.known.current.values()),
        "builds": _builds(place, told.week),
    }


def _builds(place: RunContext, week: date) -> dict[str, str]:
    """The build of each derived table that the page tells."""
    held = {t.name: build_facts(place.lake, part_of(place.lake, t.name, week)) for t in TABLES[1:]}
    return {name: facts["facts"]["build_id"] for name, facts in held.items()}


def _facts(told: Source, values: dict[str, Any], results: Sequence[CheckResult]) -> dict[str, Any]:
    """Figures of the page, by name with units, as programs and the index read them."""
    whole = values["concentrations"][0][1] if values["concentrations"] else None
    outcomes = [notes.outcome(item) for item in results]
    split = values["split"][-1] if values["split"] else {"ats_pct": None}
    movers = [
        {"tier": tier.tier, "symbol": row["symbol"], "change_shares": number(row["change"])}
        | {"change_pct": _rounded(row["change_pct"], 1)}
        for tier in values["tiers"]
        for row in tier.movers
    ]
    movers.sort(key=lambda row: (-abs(row["change_shares"]), row["symbol"]))
    return {
        "week_ending": str(told.week),
        "is_complete": values["is_complete"],
        "is_synthetic": values["is_synthetic"],
        "trading_days": told.points[-1].sessions,
        "tiers_in": sorted({tier for tier, _ in told.pair.now.groups}),
        "classes_in": sorted({cls for _, cls in told.pair.now.groups}),
        "shares": number(values["shares"]),
        "trades": values["trades"],
        "change_pct": _rounded(values["change_pct"], 2),
        "against": str(values["against"]) if values["against"] else None,
        "symbols": values["symbol_count"],
        "venues": whole.venues if whole else 0,
        "hhi": _rounded(whole.hhi if whole else None, 6),
        "hhi_high": _rounded(whole.hhi_high if whole else None, 6),
        "top_mpid": whole.top_mpid if whole else None,
        "top_share_pct": _rounded(whole.top_share_pct if whole else None, 3),
        "ats_pct": _rounded(split["ats_pct"], 3),
        "rejects": told.rejects.height,
        "checks_warned": outcomes.count("warned"),
        "checks_failed": outcomes.count("failed"),
        "restatements": told.restated.height,
        "built_at": f"{values['built_at']:%Y-%m-%d %H:%M:%S}",
        "movers": movers[:_METADATA_ROWS],
    }


def _rounded(value: float | None, places: int) -> float | None:
    return None if value is None else round(value, places)
