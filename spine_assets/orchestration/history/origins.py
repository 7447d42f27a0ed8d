"""Which run captured a content and which run built a row, told by what materializations say.

A run names the captures of `otc_raw` (`capture_ids`) and the build of every other table
(`build_id`) in the metadata of its materializations (`otc.week`). Where the run was forgotten
(`prune`), or ran in another Dagster, nothing here guesses: there is no answer then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from spine_assets.orchestration.history.checks import plain_facts
from spine_assets.otc.tables import raw

_PAGE = 200  # a week's table is rarely built so often; more are read page by page
_SECOND = 1.0  # captured_at has whole seconds, so it may lie before the start of its run


@dataclass(frozen=True)
class Origin:
    """A run that made something, and when Dagster was told."""

    run_id: str
    at: datetime


@dataclass(frozen=True)
class _Made:
    """One materialization of a table's week that was no repetition."""

    run_id: str
    at: float
    facts: dict[str, Any]


def captured_by(
    instance: dg.DagsterInstance, week: date, captures: dict[str, datetime]
) -> dict[str, Origin | None]:
    """By capture id: the run that captured it, None where Dagster does not know.

    It is the first one that named it and was under way at `captured_at`. A capture that
    never counted is named by none: then it is the first that captured anything of the week
    and was under way.

    Args:
        instance: Dagster's instance.
        week: Week ending.
        captures: `captured_at` (UTC) by capture id.
    """
    made = list(_made(instance, raw.TABLE.name, week))
    begun = _begun(instance, {item.run_id for item in made})
    found: dict[str, Origin | None] = {}
    for capture_id, captured_at in captures.items():
        moment = captured_at.replace(tzinfo=UTC).timestamp()
        under_way = [
            item for item in made if begun.get(item.run_id, item.at) - _SECOND <= moment <= item.at
        ]
        naming = [item for item in under_way if capture_id in item.facts.get("capture_ids", ())]
        found[capture_id] = next(map(_origin, naming or under_way), None)
    return found


def built_by(
    instance: dg.DagsterInstance, week: date, builds: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Origin | None]:
    """By (table, build): the run that made that build, None where Dagster does not know.

    A run that found the build unchanged and told it again did not make it.

    Args:
        instance: Dagster's instance.
        week: Week ending.
        builds: Tables, each with the `capture_id` of its rows.
    """
    wanted = set(builds)
    found: dict[tuple[str, str], Origin | None] = dict.fromkeys(wanted)
    for table in sorted({table for table, _ in wanted}):
        for item in _made(instance, table, week):
            build = (table, str(item.facts.get("build_id")))
            if build in wanted and found[build] is None:
                found[build] = _origin(item)
    return found


def _origin(item: _Made) -> Origin:
    return Origin(item.run_id, datetime.fromtimestamp(item.at, UTC))


def _made(instance: dg.DagsterInstance, table: str, week: date) -> Iterator[_Made]:
    """Materializations of a table's week that made something, the earliest first."""
    asked = dg.AssetRecordsFilter(asset_key=dg.AssetKey(table), asset_partitions=[str(week)])
    cursor: str | None = None
    while True:
        page = instance.fetch_materializations(asked, _PAGE, cursor, ascending=True)
        for record in page.records:
            told = record.asset_materialization
            facts = plain_facts(told.metadata) if told else {}
            if told and not facts.get("unchanged"):
                yield _Made(record.run_id, record.timestamp, facts)
        if not page.has_more:
            return
        cursor = page.cursor


def _begun(instance: dg.DagsterInstance, runs: set[str]) -> dict[str, float]:
    """When runs began, as far as they are remembered."""
    if not runs:
        return {}
    records = instance.get_run_records(dg.RunsFilter(run_ids=sorted(runs)))
    return {item.dagster_run.run_id: item.start_time for item in records if item.start_time}
