"""Log lines: one per record, for people or as JSON, each with its run, week and table.

Our jobs log through `console`. Does not belong here: what is logged, and when.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from spine_assets.orchestration.progress_events import progress_of

# What callers add to a record (`extra=`), beyond what Dagster knows of it.
EXTRAS = ("week", "table", "check", "rows", "seconds", "percent", "rows_per_second")
_RUN_DIGITS = 8  # enough to tell runs apart on a screen, and what Dagster's pages show


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of a record by name, without those that do not apply.

    Always there: `time` (UTC), `level`, `logger`, `message`. Of a run also `run_id`, `job`,
    `pipeline`, `event`, `week` and `table`.
    """
    meta: dict[str, Any] = getattr(record, "dagster_meta", None) or {}
    tags = meta.get("job_tags") or {}
    found = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "run_id": meta.get("run_id"),
        "job": meta.get("job_name"),
        "pipeline": tags.get("spine/pipeline"),
        "week": tags.get("dagster/partition"),
        **_of_event(meta.get("dagster_event")),
        **{name: getattr(record, name) for name in EXTRAS if hasattr(record, name)},
        "message": meta.get("orig_message") or record.getMessage(),
    }
    if record.exc_info:
        found["exception"] = logging.Formatter().formatException(record.exc_info)
    return {name: value for name, value in found.items() if value is not None}


def _of_event(event: Any) -> dict[str, Any]:
    """Week, table and check of a Dagster event."""
    if event is None or progress_of(event) is not None:  # a log line of ours
        return {}
    found: dict[str, Any] = {"event": event.event_type_value}
    if event.asset_key is not None:
        found["table"] = event.asset_key.to_user_string()
    if event.partition is not None:
        found["week"] = event.partition
    data = event.event_specific_data
    error = getattr(data, "error", None)
    if error is not None:
        found["exception"] = error.to_string().rstrip()
    if event.event_type_value == "ASSET_CHECK_EVALUATION":
        found |= {
            "table": data.asset_key.to_user_string(),
            "check": data.check_name,
            "week": data.partition,
        }
    return found


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """All fields; values that JSON does not know are written as text."""
        return json.dumps(fields(record), default=str)


class HumanFormatter(logging.Formatter):
    """A record as a line for a terminal: time, level, run, week, table, message."""

    def format(self, record: logging.LogRecord) -> str:
        """Local time of day; only the beginning of the run's id."""
        found = fields(record)
        at = datetime.fromtimestamp(record.created).astimezone()
        where = [str(found[name]) for name in ("week", "table") if name in found]
        message = found["message"]
        if found.get("week") and message.startswith(f"week {found['week']}: "):
            message = message.partition(": ")[2]
        run = str(found.get("run_id", ""))[:_RUN_DIGITS]
        line = " ".join(part for part in (f"{at:%H:%M:%S}", f"{record.levelname:7}", run) if part)
        if where:
            line += f" [{' '.join(where)}]"
        line += f" {message}"
        return f"{line}\n{found['exception']}" if "exception" in found else line


def console(level: str, kind: str) -> logging.Logger:
    """A logger that writes to standard error.

    Args:
        level: Least level that is written.
        kind: `human` or `json`.
    """
    logger = logging.Logger("spine", level)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if kind == "json" else HumanFormatter())
    logger.addHandler(handler)
    return logger
