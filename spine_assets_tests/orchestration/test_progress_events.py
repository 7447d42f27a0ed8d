"""Progress written by a run's step and read back from the log, as values and as a line."""

import json
import logging
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spine_assets.core.progress import Progress
from spine_assets.orchestration import console_logs
from spine_assets.orchestration.history.run_details import story
from spine_assets.orchestration.history.runs import find
from spine_assets.orchestration.launching.progress_follower import Follower
from spine_assets.orchestration.progress_events import log_progress, progress_of
from spine_assets.orchestration.storage.sqlite import BatchingSqliteStorage

FIRST, SECOND = Progress(1, 3, 36_000, 0, 2.5), Progress(2, 3, 36_000, 1, 4.0)


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(console_logs.JsonFormatter().format(record))


@pytest.fixture
def instance(tmp_path: Path) -> dg.DagsterInstance:
    storage = {"module": BatchingSqliteStorage.__module__, "class": "BatchingSqliteStorage"}
    config = {"base_dir": str(tmp_path / "history")}
    overrides = {"storage": {"custom": {**storage, "config": config}}}
    return dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides)


def run(instance: dg.DagsterInstance, handler: logging.Handler) -> str:
    @dg.asset
    def weeks(context: dg.AssetExecutionContext) -> None:
        context.log.info("(3/12 weeks, 25%, 9 rows)")  # a text alone is no progress
        for number, now in enumerate((FIRST, SECOND), start=1):
            log_progress(context, f"week {number}: built", now, {"week": str(number)})

    @dg.logger
    def console(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("spine", logging.INFO)
        logger.addHandler(handler)
        return logger

    job = dg.Definitions(
        assets=[weeks], jobs=[dg.define_asset_job("job", [weeks])], loggers={"console": console}
    ).resolve_job_def("job")
    config: dict[str, Any] = {"loggers": {"console": {"config": {}}}}
    return job.execute_in_process(run_config=config, instance=instance).run_id


def test_the_latest_progress_is_read_as_values(instance: dg.DagsterInstance) -> None:
    follower = Follower(instance, run(instance, logging.NullHandler()))
    follower.poll()
    assert follower.latest == SECOND
    entries = [
        record.event_log_entry for record in instance.get_records_for_run(follower.run_id).records
    ]
    found = [progress_of(entry.dagster_event) for entry in entries]
    assert [item for item in found if item] == [FIRST, SECOND]


def test_people_and_json_get_a_plain_log_line(instance: dg.DagsterInstance) -> None:
    lines = Lines()
    run_id = run(instance, lines)
    text = f"week 1: built {FIRST.text()}"
    told = [json.loads(line) for line in lines.lines if text in line]
    assert [(line["week"], line["level"], line["message"]) for line in told] == [
        ("1", "INFO", text)
    ]
    assert "event" not in told[0]
    shown = story(instance, find(instance, run_id), 50).logs
    assert text in [line.text for line in shown]
