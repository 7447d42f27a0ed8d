"""Progress as the log says it and a bar reads it, and log lines with their run and week."""

from __future__ import annotations

import json
import logging

from hypothesis import given
from hypothesis import strategies as st

from spine_assets.core import progress
from spine_assets.core.progress import Progress
from spine_assets.orchestration import console_logs

counts = st.integers(min_value=0, max_value=10**9)


@given(done=counts, more=counts, rows=counts, failed=counts, seconds=st.floats(0, 1e6))
def test_what_is_said_is_read_back(
    done: int, more: int, rows: int, failed: int, seconds: float
) -> None:
    said = Progress(done, done + more, rows, failed, seconds)
    found = progress.read(f"week 2025-11-21: 5 tables built in 0.21 s {said.text()}")
    assert found == Progress(done, done + more, rows, failed)


def test_it_says_percent_pace_and_time_left() -> None:
    said = Progress(3, 12, 36_000, 1, 2.0).text()
    assert said == "(3/12 weeks, 25%, 36,000 rows, 18,000 rows/s, 1 failed, about 6 s left)"


def test_other_messages_say_nothing() -> None:
    for text in ("", "3 of 12 weeks have no input", "(3/12 weeks", "week 2025-11-21: no input"):
        assert progress.read(text) is None


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
