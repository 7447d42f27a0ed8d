"""Log lines with their run, week and table: for people and as JSON."""

from __future__ import annotations

import json
import logging

from spine_assets.orchestration import console_logs


def record(**extra: object) -> logging.LogRecord:
    made = logging.LogRecord("spine", logging.INFO, "", 0, "built %s", ("it",), None)
    made.__dict__.update(extra)
    return made


RUN = {
    "run_id": "0f56bc91-016c-4f18-84c6-797f264f2108",
    "job_name": "otc_weekly",
    "job_tags": {"dagster/partition": "2025-11-21", "spine/pipeline": "otc.weekly"},
    "dagster_event": None,
    "orig_message": "built it",
}


def test_a_json_line_has_run_week_table_and_what_was_added() -> None:
    told = json.loads(
        console_logs.JsonFormatter().format(record(dagster_meta=RUN, table="otc_raw", rows=3))
    )
    assert told.pop("time").endswith("+00:00")
    assert told == {
        "level": "INFO",
        "logger": "spine",
        "run_id": RUN["run_id"],
        "job": "otc_weekly",
        "pipeline": "otc.weekly",
        "week": "2025-11-21",
        "table": "otc_raw",
        "rows": 3,
        "message": "built it",
    }


def test_a_hostile_message_stays_one_line_of_json() -> None:
    made = record(dagster_meta={**RUN, "orig_message": 'a\n"b"\x1b[2J'})
    text = console_logs.JsonFormatter().format(made)
    assert "\n" not in text
    assert "\x1b" not in text
    assert json.loads(text)["message"] == 'a\n"b"\x1b[2J'


def test_a_line_for_people_names_run_and_week_once() -> None:
    meta = {**RUN, "orig_message": "week 2025-11-21: unchanged"}
    text = console_logs.HumanFormatter().format(record(dagster_meta=meta))
    assert text.endswith("INFO    0f56bc91 [2025-11-21] unchanged")


def test_a_line_outside_of_a_run_has_no_run() -> None:
    assert console_logs.HumanFormatter().format(record()).endswith("INFO    built it")
