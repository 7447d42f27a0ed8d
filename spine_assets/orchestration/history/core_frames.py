"""`core_manifest` and `core_anomalies` as frames, from Dagster's tables on SQLite or PostgreSQL.

Four queries, however many weeks. Over 650 weeks there are 5,000 materializations, and Dagster's own
reading of an event takes 0.4 ms: two seconds. So the few values wanted are taken from the stored
text as JSON, which takes a twentieth; its shape was tried on 1.13.27. Belongs here: rows. Does not
belong here: the columns' meaning (`warehouse.core_tables`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import sqlalchemy as sa

from spine_assets.orchestration import dagster_private as private
from spine_assets.orchestration.history.checks import SAMPLE
from spine_assets.orchestration.history.materializations import latest_of
from spine_assets.orchestration.history.run_log_frames import frame
from spine_assets.orchestration.history.step_rows import ROW_COUNT
from spine_assets.orchestration.history.storage import (
    EVALUATED,
    latest_evaluation_ids,
    name_of,
    of_index,
    of_runs,
    utc,
)
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.core_tables import ANOMALIES, CORE_TABLES, MANIFEST
from spine_assets.warehouse.run_tables import LogTable, RunLog

Values = dict[str, Any]
_STAGES = {table.name: table.stage.value for table in TABLES if table.stage is not None}
_RECORDED = "anomalies"  # the check of what a YAML pipeline's own code records
_SEVERITIES = {"WARNING": "WARN"}  # of such a record
_CHUNK = 500  # SQLite took no more than 999 parameters in a statement before 3.32
_KIND = dg.DagsterEventType
_OVER = {"SUCCESS", "FAILURE", "CANCELED"}


@dataclass(frozen=True)
class _Run:
    status: str
    started: datetime | None
    ended: datetime | None


def read(
    instance: dg.DagsterInstance,
    tables: Sequence[LogTable] = CORE_TABLES,
    *,
    tenant: str | None = None,
) -> RunLog:
    """The requested tables of the two.

    Args:
        instance: Dagster's instance.
        tables: Which.
        tenant: Leave the tables of other tenants out.
    """
    frames = {}
    if MANIFEST in tables:
        frames[MANIFEST.name] = frame(list(_manifest(instance)), MANIFEST)
    if ANOMALIES in tables:
        frames[ANOMALIES.name] = frame(list(_anomalies(instance, tenant)), ANOMALIES)
    return RunLog(frames)


def _manifest(instance: dg.DagsterInstance) -> Iterator[Values]:
    """A row per week and table that was ever to be made, in their order."""
    c = private.SqlEventLogStorageTable.c
    of_event = (c.asset_key, c.partition, c.id, c.run_id, c.timestamp)
    made, planned = (
        {
            (key, partition): rest
            for key, partition, *rest in of_index(
                instance, sa.select(*columns).where(c.id.in_(latest_of(kind.value, [*_STAGES])))
            )
        }
        for kind, columns in (
            (_KIND.ASSET_MATERIALIZATION, (*of_event, c.event)),
            (_KIND.ASSET_MATERIALIZATION_PLANNED, of_event),
        )
    )
    runs = _runs(instance, {run for _, run, *_ in (*made.values(), *planned.values()) if run})
    place = {name: number for number, name in enumerate(_STAGES)}
    for key, partition in sorted({*made, *planned}, key=lambda k: (k[1], place[name_of(k[0])])):
        name, published = name_of(key), made.get((key, partition))
        about = {
            "week_ending": date.fromisoformat(partition),
            "table_name": name,
            "stage": _STAGES[name],
            **_published(published[3] if published else None),
        }
        attempt = planned.get((key, partition))
        if attempt and (published is None or attempt[0] > published[0]):
            run = runs.get(attempt[1])
            status = _of_attempt(run, is_published=published is not None)
            if run is not None and status is not None:
                yield about | {
                    "status": status,
                    "run_id": attempt[1],
                    "started_at": run.started,
                    "completed_at": run.ended,
                }
                continue
        if published:
            run = runs.get(published[1])
            yield about | {
                "status": "complete",
                "run_id": published[1] or None,
                "started_at": run.started if run else None,
                "completed_at": utc(published[2]).replace(tzinfo=None),
            }


def _of_attempt(run: _Run | None, *, is_published: bool) -> str | None:
    """The status after an attempt that made nothing; None if it says nothing."""
    if run is None:  # it was deleted
        return None
    if run.status not in _OVER:
        return "running"
    if run.status == "FAILURE":
        return "failed"
    # Canceled, or without input. The earlier build, if there is one, stays as it was.
    return "failed" if run.status == "CANCELED" and not is_published else None


def _published(event: str | None) -> Values:
    """What a stored materialization says of the published week."""
    if event is None:
        return {"row_count": None, "data_version": None, "capture_ids": None}
    made = json.loads(event)["dagster_event"]["event_specific_data"]["materialization"]
    facts = {entry["label"]: _value(entry["entry_data"]) for entry in made["metadata_entries"]}
    return {
        "row_count": facts.get(ROW_COUNT),
        "data_version": (made.get("tags") or {}).get(private.DATA_VERSION_TAG),
        "capture_ids": facts.get("capture_ids"),
    }


def _anomalies(instance: dg.DagsterInstance, tenant: str | None) -> Iterator[Values]:
    """Rows of failed evaluations, the newest first."""
    c = private.AssetCheckExecutionsTable.c
    query = (
        sa.select(
            *(c.asset_key, c.check_name, c.partition, c.run_id, c.evaluation_event_timestamp),
            c.evaluation_event,
            c.id.in_(latest_evaluation_ids()),
        )
        .where(c.execution_status == EVALUATED[1])
        .order_by(c.id.desc())
    )
    for key, check, partition, run, at, event, is_latest in of_index(instance, query):
        name = name_of(key)
        if tenant is not None and "/" in name and name.partition("/")[0] != tenant:
            continue
        found = json.loads(event)["dagster_event"]["event_specific_data"]
        facts = {label: _value(entry) for label, entry in found["metadata"].items()}
        about = {
            "run_id": run,
            "week_ending": _week(partition),
            "table_name": name,
            "check_name": check,
            "severity": found["severity"]["__enum__"].rpartition(".")[2],
            "detected_at": utc(at).replace(tzinfo=None),
            "is_latest": bool(is_latest),
        }
        for row in _rows(check, found.get("description") or "", facts):
            yield about | row


def _rows(check: str, description: str, facts: Values) -> Iterable[Values]:
    """Code, message and context: one of a check, several of what code recorded."""
    if check != _RECORDED or not facts.get(SAMPLE):
        return [{"code": check.upper(), "message": description, "context": facts}]
    return [
        {
            "severity": _SEVERITIES.get(str(row["severity"]), str(row["severity"])),
            "code": str(row["code"]),
            "message": str(row["message"]),
            "context": json.loads(row["context"]) if row.get("context") else {},
        }
        for row in facts[SAMPLE]
    ]


def _value(entry: Values) -> Any:
    """A stored entry of metadata as a plain value; a table as its rows."""
    if "records" in entry:
        return [record["data"] for record in entry["records"]]
    return next((entry[name] for name in ("value", "text", "data", "path") if name in entry), None)


def _week(partition: str | None) -> date | None:
    try:
        return date.fromisoformat(partition) if partition else None
    except ValueError:  # a table of another project in this instance
        return None


def _runs(instance: dg.DagsterInstance, ids: set[str]) -> dict[str, _Run]:
    """Status and times of runs."""
    c, found, wanted = private.RunsTable.c, {}, sorted(ids)
    for start in range(0, len(wanted), _CHUNK):
        query = sa.select(c.run_id, c.status, c.start_time, c.end_time).where(
            c.run_id.in_(wanted[start : start + _CHUNK])
        )
        for run, status, started, ended in of_runs(instance, query):
            found[run] = _Run(status, _time(started), _time(ended))
    return found


def _time(stamp: float | None) -> datetime | None:
    return datetime.fromtimestamp(stamp, UTC).replace(tzinfo=None) if stamp else None
