"""Starting a pipeline when tables that it names have new rows: one sensor per pipeline.

The sensor waits for a run that builds a week, so that no pipeline reads a half-built week. A week
with unchanged rows starts nothing: Dagster makes one run per run key, and the key changes with the
data versions of the week.
"""

import hashlib
import json
from dataclasses import dataclass, field

import dagster as dg

from spine_assets.core.tags import TRIGGER
from spine_assets.orchestration.components.keys import key_of
from spine_assets.orchestration.dagster_private import DATA_VERSION_TAG
from spine_assets.pipelines.yaml.pipeline import DeclaredPipeline

INTERVAL_SECONDS = 30  # weeks come once a week; a correction can wait half a minute
_MOST_REQUESTS = 20  # per tick; each takes the daemon some tenths of a second
_READ = 500  # materializations of a table per tick; a backfill of all weeks has some 650
_DIGITS = 12


@dataclass
class ReadPositions:
    """The sensor's cursor: up to where each table's materializations were read."""

    read: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, cursor: str | None) -> "ReadPositions | None":
        """Read a cursor; None at the first tick."""
        try:
            return cls(**json.loads(cursor)) if cursor else None
        except (TypeError, ValueError):
            return None

    def text(self) -> str:
        """As the cursor holds it."""
        return json.dumps(vars(self))


def sensor_of(pipeline: DeclaredPipeline, job: dg.JobDefinition) -> dg.SensorDefinition | None:
    """The sensor of a pipeline that says `start_after`; None of another."""
    names = pipeline.declaration.start_after
    if not names:
        return None
    keys = [key_of(pipeline, name) for name in names]

    @dg.sensor(
        name=f"{pipeline.name}_start_after",
        job=job,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Runs {pipeline.pipeline_id} for each week in which "
        f"{', '.join(names)} got new rows.",
    )
    def start_after(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        """Ask for a run of each week with new rows."""
        positions = ReadPositions.load(context.cursor)
        if positions is None:  # tables built before the sensor's first tick start nothing
            context.update_cursor(ReadPositions(_newest(context.instance, keys)).text())
            return dg.SkipReason("reads what is built from now on")
        found = _new_weeks(context.instance, keys, positions)
        requests = [_request(context.instance, pipeline, keys, week) for week in found.weeks]
        cursor = ReadPositions(found.read).text()
        if requests:
            return dg.SensorResult(run_requests=requests, cursor=cursor)
        waiting = "; a run that builds them is still running" if found.waits else ""
        return dg.SensorResult(skip_reason=f"no week has new rows{waiting}", cursor=cursor)

    return start_after


@dataclass
class _NewWeeks:
    """Weeks with materializations that were not read yet, and how far these were read."""

    read: dict[str, int]
    weeks: list[str] = field(default_factory=list)
    waits: bool = False


def _new_weeks(
    instance: dg.DagsterInstance, keys: list[dg.AssetKey], before: ReadPositions
) -> _NewWeeks:
    found = _NewWeeks(dict(before.read))
    for key in keys:
        name = key.to_user_string()
        wanted = dg.AssetRecordsFilter(key, after_storage_id=found.read.get(name, 0))
        records = instance.fetch_materializations(wanted, limit=_READ, ascending=True).records
        for record in records:
            run = instance.get_run_by_id(record.run_id)
            if run is not None and not run.is_finished:
                found.waits = True
                break  # it may yet build what else is waited for
            week = record.partition_key
            if week is not None and week not in found.weeks:
                if len(found.weeks) == _MOST_REQUESTS:
                    break
                found.weeks.append(week)
            found.read[name] = record.storage_id
    return found


def _request(
    instance: dg.DagsterInstance, pipeline: DeclaredPipeline, keys: list[dg.AssetKey], week: str
) -> dg.RunRequest:
    """A run of a week, at most one for each content of the week."""
    versions = [_version(instance, key, week) for key in keys]
    content = hashlib.sha256("|".join(versions).encode()).hexdigest()[:_DIGITS]
    return dg.RunRequest(
        run_key=f"{pipeline.pipeline_id}:{week}:{content}",
        partition_key=week,
        tags={TRIGGER: "sensor"},
    )


def _version(instance: dg.DagsterInstance, key: dg.AssetKey, week: str) -> str:
    """What a table's week was last made of; empty where it was not made."""
    wanted = dg.AssetRecordsFilter(key, asset_partitions=[week])
    for record in instance.fetch_materializations(wanted, limit=1).records:
        made = record.asset_materialization
        return (made.tags or {}).get(DATA_VERSION_TAG, record.run_id) if made else ""
    return ""


def _newest(instance: dg.DagsterInstance, keys: list[dg.AssetKey]) -> dict[str, int]:
    """Where the materializations of each table end now."""
    found = {}
    for key in keys:
        records = instance.fetch_materializations(key, limit=1).records
        found[key.to_user_string()] = records[0].storage_id if records else 0
    return found
