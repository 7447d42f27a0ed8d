"""How far a run has come, as metadata of an event in its log.

A run may be in this process, in the daemon's or on another machine; its event log is the one place
where all of them can write and read. The event is one of Dagster's engine events. Its message is a
line for people, and its metadata has the figures, which `launching.progress_follower` reads.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import dagster as dg

from spine_assets.core.progress import Progress
from spine_assets.orchestration.dagster_private import LOG_RECORD_EVENT_ATTR, EngineEventData

_KEY = "spine/progress"


def log_progress(
    context: dg.AssetExecutionContext, message: str, now: Progress, fields: Mapping[str, Any]
) -> None:
    """Write one line to the run's log that carries its progress.

    Args:
        context: The step that runs.
        message: What has just been done; the progress is added to it.
        now: How far the run has come.
        fields: Further fields of the line in a JSON log (`console_logs.EXTRAS`).
    """
    text = f"{message} {now.text()}"
    event = dg.DagsterEvent(
        dg.DagsterEventType.ENGINE_EVENT.value,
        job_name=context.run.job_name,
        message=text,
        event_specific_data=EngineEventData({_KEY: asdict(now)}),
    )
    context.log.log(logging.INFO, text, extra={LOG_RECORD_EVENT_ATTR: event, **fields})


def progress_of(event: dg.DagsterEvent | None) -> Progress | None:
    """The progress that an event carries; None where it carries none."""
    if event is None or event.event_type is not dg.DagsterEventType.ENGINE_EVENT:
        return None
    found = getattr(event.event_specific_data, "metadata", {}).get(_KEY)
    values: Any = found.value if isinstance(found, dg.JsonMetadataValue) else None
    return Progress(**values) if values else None
