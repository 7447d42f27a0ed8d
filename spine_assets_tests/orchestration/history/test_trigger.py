"""Who started a run, also where Dagster's UI copied the tags of another run."""

from __future__ import annotations

from datetime import date

import dagster as dg
import pytest

from spine_assets.core.tags import FRONT, TRIGGER
from spine_assets.defs.otc.retry_policy import INPUT
from spine_assets.orchestration.history import open_instance
from spine_assets.orchestration.history.runs import trigger_of
from spine_assets_tests.support.projects import Project
from spine_assets_tests.support.servers import (
    START_SECONDS,
    Server,
    free_port,
    launched,
    started,
    wait_until,
)

WEEK = date(2025, 11, 14)
UI = {"dagster/from_ui": "true"}
SENSOR = {TRIGGER: "sensor", "dagster/sensor_name": "otc_landing"}
RETRIED = {"dagster/retry_number": "1"}
TAGS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { tags { key value } } } }"
REPEAT = """
mutation ($params: ExecutionParams!) {
  launchRunReexecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""


@pytest.mark.parametrize(
    ("tags", "parent", "trigger"),
    [
        (SENSOR, None, "sensor"),
        ({"dagster/sensor_name": "x"}, None, "sensor x"),
        (UI, None, "ui"),
        (UI | {TRIGGER: "person"}, None, "person"),
        (UI | {"dagster/backfill": "abc"}, None, "backfill abc"),
        ({}, None, None),
        (SENSOR | UI, "parent", "ui"),
        (SENSOR, "parent", "re-execution"),
        (SENSOR | RETRIED, "parent", "retry"),
    ],
)
def test_a_run_names_who_started_it_and_not_the_run_that_it_repeats(
    tags: dict[str, str], parent: str | None, trigger: str | None
) -> None:
    run = dg.DagsterRun(job_name="otc_weekly", tags=tags, parent_run_id=parent, root_run_id=parent)
    assert trigger_of(run) == trigger


@pytest.mark.long
def test_a_re_execution_in_the_ui_is_the_uis_and_has_no_hidden_tag(project: Project) -> None:
    port = free_port()
    server = Server(port)
    serve = ("-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port))
    with started(project, "webserver", *serve), open_instance(project.root) as instance:
        wait_until(server.answers, START_SECONDS, project, "the webserver's start")
        first = launched(server, WEEK)
        instance.add_run_tags(first, SENSOR | {FRONT: "cli", INPUT: "of the sensor"})
        shown = server.ask(TAGS, id=first)["runOrError"]["tags"]
        assert not {tag["key"] for tag in shown} & {FRONT, INPUT}
        # As the UI does: the tags that it is shown, and its own.
        tags = [
            *({"key": tag["key"], "value": tag["value"]} for tag in shown),
            *(
                {"key": f"dagster/{name}", "value": first}
                for name in ("parent_run_id", "root_run_id")
            ),
            *({"key": key, "value": value} for key, value in UI.items()),
        ]
        params = {
            "selector": {
                "repositoryLocationName": "spine_assets",
                "repositoryName": "__repository__",
                "jobName": "otc_weekly",
            },
            "runConfigData": {},
            "mode": "default",
            "executionMetadata": {"parentRunId": first, "rootRunId": first, "tags": tags},
        }
        answer = server.ask(REPEAT, params=params)["launchRunReexecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        again = instance.get_run_by_id(answer["run"]["runId"])
        assert again is not None
        assert again.tags[TRIGGER] == "sensor"
        assert trigger_of(again) == "ui"
        assert not {*again.tags} & {FRONT, INPUT}
