"""The arrival board: how far each tier of each week has come, and how fresh each table is.

It is found from the landing folder, the lake and FINRA's calendar; runs of Dagster are added by
whoever knows them (`with_failures`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from spine_assets.core.text import Shown
from spine_assets.core.weeks import Tier, VenueClass, publication_day, weeks_between
from spine_assets.lake.base import Lake
from spine_assets.otc.captures import intake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.current import CaptureState, WeekCaptures
from spine_assets.otc.captures.model import CaptureNames
from spine_assets.otc.captures.pending import is_pending
from spine_assets.otc.captures.provenance import clash, telling_capture
from spine_assets.otc.captures.week_evidence import KnownFiles, WeekEvidence
from spine_assets.otc.delivery.deliveries import Delivery, Landing, Unusable
from spine_assets.otc.delivery.placement import Grain
from spine_assets.otc.state import control
from spine_assets.otc.state.control import Proof
from spine_assets.otc.state.freshness import Freshness, build_facts, freshness, part_of
from spine_assets.otc.tables import raw, venue_share
from spine_assets.otc.tables.registry import TABLES, grains_of

_COUNTED = (CaptureState.CURRENT, CaptureState.PINNED, CaptureState.OLDER)


class Arrival(StrEnum):
    """How far a tier of a week has come; `failed`: delivered, and the week's last run failed."""

    NOT_DUE = "not due"
    OVERDUE = "overdue"
    LANDED = "landed"
    FAILED = "failed"
    LOADED = "loaded"
    CORRECTED = "corrected"


@dataclass(frozen=True)
class TierStatus:
    """One tier of one week: its state, its due day, the classes loaded, and captures that wait.

    `totals` is whether FINRA's control totals prove that it is all here, as the week was last
    built; None where nothing is loaded.
    """

    state: Arrival
    due: date
    classes: tuple[VenueClass, ...]
    totals: Proof | None = None
    waiting: int = 0


@dataclass(frozen=True)
class WeekStatus:
    """One week of the board."""

    week_ending: date
    tiers: dict[Tier, TierStatus]
    tables: dict[str, Freshness]


def board_weeks(lake: Lake, landing: Landing) -> list[date]:
    """All weeks from the first to the last that has a file or a capture, newest last."""
    known = {*landing.weeks(), *lake.weeks(raw.TABLE.name)}
    return weeks_between(min(known), max(known)) if known else []


def newest_complete(lake: Lake) -> date | None:
    """The newest week in which all three tiers are built."""
    for week in reversed(lake.weeks(venue_share.TABLE.name)):
        rows = lake.read(lake.part(venue_share.TABLE.name, week), ["is_complete"])
        if rows.height and rows["is_complete"].all():
            return week
    return None


def board(
    lake: Lake, landing: Landing, today: date, weeks: list[date] | None = None
) -> list[WeekStatus]:
    """The status of these weeks, by default of all on the board; newest last."""
    delivered: dict[date, list[Delivery]] = defaultdict(list)
    for item in (*landing.deliveries, *landing.totals):
        delivered[item.placement.week_ending].append(item)
    chosen = board_weeks(lake, landing) if weeks is None else weeks
    return [_week(week, lake, delivered.get(week, []), today) for week in chosen]


def with_failures(
    rows: list[WeekStatus], states: Mapping[tuple[str, date], str | None]
) -> list[WeekStatus]:
    """The board, with `failed` for tiers that landed and whose run failed.

    Args:
        rows: Weeks of the board.
        states: State of the last run by table and week (`history.table_states`).
    """

    def failed(found: TierStatus) -> TierStatus:
        return replace(found, state=Arrival.FAILED) if found.state is Arrival.LANDED else found

    return [
        replace(row, tiers={tier: failed(found) for tier, found in row.tiers.items()})
        if states.get((raw.TABLE.name, row.week_ending)) == "failed"
        else row
        for row in rows
    ]


def doubtful(lake: Lake, landing: Landing, now: datetime) -> list[Unusable]:
    """Deliveries that a run would refuse, though each could be loaded in another week or lake.

    Their rows are probably of another week, or are synthetic beside FINRA's, or the reverse. Only
    what their samples put in doubt is read.
    """
    evidence = WeekEvidence(lake, landing, KnownFiles(), now.astimezone(UTC).date())
    names = captures.names(lake)
    weeks = {
        item.placement.week_ending
        for item in landing.deliveries
        if is_pending(item, names)
        and (item.placement.alternative_week or evidence.is_doubtful(item))
    }
    found = []
    for week in sorted(weeks):
        known = captures.known_of(lake, week)
        pending = intake.uncaptured(landing.of_week(week), known.captures)
        found += intake.take(pending, known, lake, now, evidence).refused
    return [*found, *_not_to_mix(lake, landing, names)]


def _not_to_mix(lake: Lake, landing: Landing, names: CaptureNames) -> Iterator[Unusable]:
    """Deliveries that the check `not_mixed` of `otc_raw` would not let in."""
    stored = telling_capture(lake)
    for item in (*landing.deliveries, *landing.totals):
        if is_pending(item, names) and (reason := clash(item.provenance, stored)):
            yield Unusable(item.name, Shown(reason), item.placement.week_ending)


def _week(week: date, lake: Lake, deliveries: list[Delivery], today: date) -> WeekStatus:
    known = captures.known_of(lake, week)
    stored = list(known.captures)
    by_grain = {
        grain: [item for item in deliveries if item.placement.grain is grain] for grain in Grain
    }
    pending = intake.uncaptured(by_grain[Grain.VENUES], stored)
    tables = {table.name: freshness(lake, table.name, week, known, today) for table in TABLES}
    of_raw = tables[raw.TABLE.name]
    behind = of_raw is Freshness.STALE or (pending and of_raw is Freshness.FRESH)
    totals_wait = bool(intake.uncaptured(by_grain[Grain.TOTALS], list(known.totals)))
    for name, state in tables.items():
        uses_waiting = totals_wait and Grain.TOTALS in grains_of(name)
        if state is Freshness.FRESH and (behind or uses_waiting):
            tables[name] = Freshness.STALE
    proofs = proofs_of(lake, week, known)
    tiers = {tier: _tier(tier, week, known, pending, today, proofs) for tier in Tier}
    return WeekStatus(week, tiers, tables)


def proofs_of(lake: Lake, week: date, known: WeekCaptures) -> dict[str, Proof]:
    """By loaded tier, what FINRA's control totals prove, as the week was last built."""
    loaded = {item.tier.value for item in known.captures}
    found: dict[str, str] = {}
    if known.totals:  # as a rule none of an older week is delivered, and no file need be opened
        built = build_facts(lake, part_of(lake, venue_share.TABLE.name, week))
        found = built.get("facts", {}).get(control.PROOFS, {})
    return {tier: Proof(found.get(tier, Proof.NOT_DELIVERED)) for tier in loaded}


def tiers_of(
    week: date, known: WeekCaptures, landing: Landing, today: date
) -> dict[Tier, TierStatus]:
    """How far each tier of a week has come, by its captures and deliveries."""
    pending = intake.uncaptured(landing.of_week(week), known.captures)
    return {tier: _tier(tier, week, known, pending, today, {}) for tier in Tier}


def arrivals(lake: Lake, week: date) -> list[dict[str, Any]]:
    """Every capture of a week: when it arrived, whether it counts, and why."""
    known = captures.known_of(lake, week)
    return [
        {
            "week_ending": str(item.week_ending),
            "tier": item.tier.value,
            "venue_class": item.venue_class.value,
            "captured_at": f"{item.captured_at:%Y-%m-%d %H:%M:%S.%f}",
            "capture_id": item.capture_id,
            "rows": item.rows,
            "rejects": item.reject_lines,
            "last_update_date": str(item.last_update_date),
            "keys": item.keys,
            "state": known.state(item)[0].value,
            "why": known.state(item)[1],
            "source_file": item.source_file,
        }
        for item in known.captures
    ]


def _tier(
    tier: Tier,
    week: date,
    known: WeekCaptures,
    pending: list[Delivery],
    today: date,
    proofs: Mapping[str, Proof],
) -> TierStatus:
    due = publication_day(week, tier)
    states = [(item, known.state(item)[0]) for item in known.captures if item.tier == tier]
    mine = [item for item, state in states if state in _COUNTED]
    waiting = sum(state is CaptureState.WAITING for _, state in states)
    classes = tuple(sorted({item.venue_class for item in mine}))
    if any(item.placement.tier == tier for item in pending):
        state = Arrival.LANDED
    elif len(mine) > len(classes):
        state = Arrival.CORRECTED
    elif mine:
        state = Arrival.LOADED
    else:
        state = Arrival.OVERDUE if due < today else Arrival.NOT_DUE
    return TierStatus(state, due, classes, proofs.get(tier.value), waiting)
