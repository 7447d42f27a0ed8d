"""Start a job on another machine and print its log lines as they happen, by a websocket.

    export DAGSTER_API_KEY=...
    python examples/follow_from_outside.py HOST:8445 example_hello tls.crt

It needs click and `gql`, and imports nothing of `spine_assets`: copy it with `deploy/graphql/`.
"""

from __future__ import annotations

import os
import ssl
import sys
from pathlib import Path

import click
from gql import Client, GraphQLRequest
from gql.transport.requests import RequestsHTTPTransport
from gql.transport.websockets import WebsocketsTransport

QUESTIONS = Path(__file__).parents[1] / "deploy" / "graphql"
ENDED = {"RunSuccessEvent", "RunFailureEvent", "RunCanceledEvent"}


def main(host: str, job: str, ca: str) -> None:
    """Start `job`, which has no weeks, and follow it to its end."""
    headers = {"X-API-Key": os.environ["DAGSTER_API_KEY"]}
    http = RequestsHTTPTransport(url=f"https://{host}/graphql", headers=headers, verify=ca)
    start = {"job": job, "tags": [{"key": "spine/trigger", "value": "api"}]}
    launch = GraphQLRequest(
        (QUESTIONS / "launch_partition.graphql").read_text("utf-8"), variable_values=start
    )
    run_id = Client(transport=http).execute(launch)["launchRun"]["run"]["runId"]
    websocket = WebsocketsTransport(
        url=f"wss://{host}/graphql",
        headers=headers,
        ssl=ssl.create_default_context(cafile=ca),
        subprotocols=["graphql-ws"],
    )
    logs = GraphQLRequest(
        (QUESTIONS / "run_logs.graphql").read_text("utf-8"), variable_values={"runId": run_id}
    )
    for answer in Client(transport=websocket).subscribe(logs):
        messages = answer["pipelineRunLogs"]["messages"]
        for message in messages:
            click.echo(f"{message['level']} {message['message']}")
        if ENDED & {message["__typename"] for message in messages}:
            break


if __name__ == "__main__":
    main(*sys.argv[1:])
