"""Runs of every kind that the log of runs tells of, on a real instance.

Belongs here: small jobs, whose steps say what came of them as those of YAML pipelines do, and
plain ones. Does not belong here: what the log says of them (`test_run_log`).
"""

# No `from __future__ import annotations`: Dagster reads the annotations of its functions.

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from spine_assets.orchestration.history import run_log_frames
from spine_assets.warehouse.run_tables import RunLog
from spine_assets_tests.support import storing

HUGE = 50_000
"""Characters of an error."""
ROWS = {"2025-11-14": 3, "2025-11-21": 4}
"""By partition the rows of each of two assets."""
OUT = {"outcome": dg.Out(is_required=False)}
Outputs = Iterator[dg.Output[None]]


def outcome(status: str, **told: Any) -> dg.Output[None]:
    """What a step of a YAML pipeline yields."""
    return dg.Output(None, "outcome", metadata={"status": status, **told})


@dg.op(out=OUT)
def extract() -> Outputs:
    """Succeed, and say how."""
    yield outcome("SUCCESS", step_name="Extract it", rows_processed=5, result={"file": "a.csv"})


@dg.op(out=OUT, ins={"before": dg.In(dg.Nothing)})
def guarded() -> Outputs:
    """Have nothing to do."""
    yield outcome("SKIPPED", reason="its condition does not hold")


@dg.op(out=OUT, ins={"before": dg.In(dg.Nothing)})
def load() -> Outputs:
    """Say why it fails, and fail."""
    yield outcome("FAILED", reason="no such table", rows_processed=2, attempts=3)
    raise dg.Failure("load: no such table", allow_retries=False)


@dg.op(out=OUT, ins={"before": dg.In(dg.Nothing)})
def publish() -> Outputs:
    """Come after a step that fails."""
    yield outcome("SUCCESS")


@dg.op(out=OUT, retry_policy=dg.RetryPolicy(max_retries=2))
def shaky(context: dg.OpExecutionContext) -> Outputs:
    """Fail the first time."""
    if context.retry_number == 0:
        raise ConnectionError("gone")
    yield outcome("SUCCESS", rows_processed=1, result=[1, float("nan"), {"of": float("inf")}])


@dg.op
def wordy() -> None:
    """Fail with a long error."""
    raise ValueError("x" * HUGE)


@dg.op(out=dg.DynamicOut())
def parts() -> Iterator[dg.DynamicOutput[int]]:
    """Make two steps."""
    yield dg.DynamicOutput(1, mapping_key="a")
    yield dg.DynamicOutput(2, mapping_key="b")


@dg.op(out=dg.DynamicOut())
def no_parts() -> Iterator[dg.DynamicOutput[int]]:
    """Make no step."""
    yield from ()


@dg.op
def double(part: int) -> int:
    """Be made by a dynamic output."""
    return part * 2


@dg.job(tags={"spine/pipeline": "acme-good", "spine/tenant": "acme"})
def good() -> None:
    """Two steps, one of which has nothing to do."""
    guarded(extract())


@dg.job(tags={"spine/pipeline": "acme-bad", "spine/tenant": "acme"})
def bad() -> None:
    """A step that fails, one before and one after."""
    publish(load(extract()))


@dg.job
def again() -> None:
    """A step that is tried twice."""
    shaky()


@dg.job
def plain() -> None:
    """A step that says nothing of itself and fails."""
    wordy()


@dg.job
def dynamic() -> None:
    """Steps that a step makes, and such that are not made."""
    parts().map(double)
    no_parts().map(double.alias("never"))


PLACE = "other_place"
ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(PLACE), "all"), "good")
WEEKS = dg.StaticPartitionsDefinition(list(ROWS))


@dg.multi_asset(
    specs=[dg.AssetSpec("venues"), dg.AssetSpec("symbols")],
    partitions_def=WEEKS,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def week_tables(context: dg.AssetExecutionContext) -> Iterator[dg.AssetMaterialization]:
    """Two tables of each week, as `otc_week` makes them; one of them is told twice."""
    for key in context.partition_keys:
        for name in ("venues", "symbols", "symbols"):
            rows = {"dagster/partition_row_count": ROWS[key]}
            yield dg.AssetMaterialization(name, partition=key, metadata=rows)


CODE = dg.Definitions(
    assets=[week_tables], jobs=[dg.define_asset_job("weekly", selection=[week_tables])]
)


@dataclass
class Made:
    """Runs by a name, and what the log said in the midst of one."""

    instance: dg.DagsterInstance
    ids: dict[str, str] = field(default_factory=dict)
    midst: list[RunLog] = field(default_factory=list)

    def run(self, name: str, job: dg.JobDefinition, **more: Any) -> None:
        """Run a job to its end, whatever that is."""
        done = job.execute_in_process(instance=self.instance, raise_on_error=False, **more)
        self.ids[name] = done.run_id

    def create(self, name: str, status: dg.DagsterRunStatus, **more: Any) -> dg.DagsterRun:
        """A run of `good` that nothing executes, asked for by another code location."""
        run = self.instance.create_run_for_job(
            good, status=status, remote_job_origin=ORIGIN, **more
        )
        self.ids[name] = run.run_id
        return run


def looking(look: Callable[[], None]) -> dg.JobDefinition:
    """A job in whose only step something is done."""

    @dg.op
    def under_way() -> None:
        look()

    @dg.job
    def watched() -> None:
        under_way()

    return watched


def make(instance: dg.DagsterInstance) -> Made:
    """Runs of every kind; the newest last."""
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    made = Made(instance)
    told = {"spine/trigger": "cli", "spine/date": "2025-11-21", "team": "ops", ".dagster/x": "y"}
    made.run("good", good, tags=told, run_config={"loggers": {}})
    made.run("bad", bad, tags={"dagster/schedule_name": "nightly", "spine/date": "soon"})
    made.run("again", again)
    made.run("plain", plain)
    made.run("dynamic", dynamic)
    made.run("part", good, op_selection=["extract"])
    ends = {
        f"dagster/asset_partition_range_{end}": key
        for end, key in zip(["start", "end"], ROWS, strict=True)
    }
    made.run("weekly", CODE.resolve_job_def("weekly"), tags=ends)
    assets = CODE.resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey("venues"), dg.AssetKey("symbols")]
    made.run("assets", assets, partition_key="2025-11-14", asset_selection=keys)
    made.run("watched", looking(lambda: made.midst.append(run_log_frames.read(instance, limit=1))))
    _without_process(made)
    return made


def _without_process(made: Made) -> None:
    """Runs that wait, that ended before they began, and whose process was killed."""
    status = dg.DagsterRunStatus
    made.create("queued", status.QUEUED)
    made.create("not_started", status.NOT_STARTED)
    retry = made.create(
        "retry", status.QUEUED, parent_run_id=made.ids["bad"], root_run_id=made.ids["bad"]
    )
    made.instance.report_run_canceled(retry)
    killed = made.create("killed", status.STARTED, tags={"spine/tenant": "other"})
    begun = storing.event(dg.DagsterEventType.STEP_START)._replace(step_key="extract")
    made.instance.handle_new_event(storing.entry(killed.run_id, time.time(), begun))
    made.instance.report_run_failed(killed, "the process is gone")
    elsewhere = dg.DagsterRun("elsewhere", status=status.STARTED)  # as a run of old: no snapshots
    made.instance.add_run(elsewhere)
    made.ids["elsewhere"] = elsewhere.run_id
