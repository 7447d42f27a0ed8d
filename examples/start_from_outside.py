"""Start a week's run on another machine, follow it to its end, and report what it made.

    export DAGSTER_API_KEY=...
    python examples/start_from_outside.py https://HOST:8445 2025-11-21 --ca tls.crt

It shows how a program of yours can use the queries of `deploy/graphql/`. It imports nothing of
`spine_assets`: copy both and change them. It needs click, httpx and tenacity.
docs/from-outside.md explains the answers.
"""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import httpx
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

QUESTIONS = Path(__file__).parents[1] / "deploy" / "graphql"
KEY = "DAGSTER_API_KEY"
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
ROWS = "dagster/partition_row_count"
PROGRESS = "spine/progress"
NEXT = {
    "UnauthorizedError": "this key may only read; ask for an operator's key",
    "PipelineNotFoundError": "see the jobs in docs/operations.md, and --job",
    "RunConfigValidationInvalid": "correct --config; no run was started",
    "RunNotFoundError": "there is no such run, or it was pruned",
    "PythonError": "Dagster failed; the log of its web server has more",
}
"""What to do about an answer that is an error."""
_STATUS = {
    401: f"no valid key: set {KEY} to a complete key",
    413: "the request is larger than the proxy accepts (256 kB)",
    429: "too many requests: use --every 2",
    502: "the proxy answers, but Dagster does not: start its web server",
}


class Refused(Exception):
    """The server answered with an error; the message says why and what to do."""


class Unreachable(Exception):
    """No answer came, or none from Dagster; a retry may help."""


@dataclass
class Outcome:
    """What a run made: one row per table and week, and the checks that failed."""

    run_id: str
    status: str = "QUEUED"
    made: list[dict[str, Any]] = field(default_factory=list)
    failed_checks: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None

    def take(self, event: dict[str, Any]) -> None:
        """Add one event of the run."""
        if event["__typename"] == "MaterializationEvent":
            figures = {item["label"]: item for item in event["metadataEntries"]}
            shares, rows = (figures.get(name, {}).get("intValue") for name in ("shares", ROWS))
            name = "/".join(event["assetKey"]["path"])
            self.made.append(
                {"asset": name, "week": event["partition"], "rows": rows, "shares": shares}
            )
        elif event["__typename"] == "AssetCheckEvaluationEvent":
            found = event["evaluation"]
            if not found["success"]:
                asset = "/".join(found["assetKey"]["path"])
                facts = {key: found[key] for key in ("partition", "severity", "description")}
                self.failed_checks.append({"asset": asset, "check": found["checkName"], **facts})
        elif event["__typename"] == "ExecutionStepFailureEvent":
            reason = (event["failureMetadata"] or {}).get("description")
            self.error = reason or (event["error"] or {}).get("message") or event["message"]
        elif event["__typename"] == "RunFailureEvent":
            self.error = self.error or event["message"]


@dataclass(frozen=True)
class Dagster:
    """Dagster's GraphQL behind the proxy."""

    client: httpx.Client

    def ask(self, question: str, **variables: Any) -> dict[str, Any]:
        """The answer to a query of `deploy/graphql/`, by its name.

        Raises:
            Refused: the answer is an error.
            Unreachable: no answer came.
        """
        query = (QUESTIONS / f"{question}.graphql").read_text("utf-8")
        body = {"query": query, "variables": variables}
        try:
            answer = self.client.post("/graphql", json=body)
            reply = answer.json()
        except httpx.TransportError as error:
            raise Unreachable(f"{self.client.base_url}: {error}") from error
        except ValueError:  # a page of the proxy's or of another server's
            reply = {}
        if answer.status_code in {401, 413}:
            raise Refused(_STATUS[answer.status_code])
        if not reply.get("data"):
            errors = reply.get("errors")
            reason = _STATUS.get(answer.status_code) or str(errors or answer.text)[:500]
            kind = Refused if errors else Unreachable
            raise kind(f"HTTP {answer.status_code}: {reason}")
        ((found),) = reply["data"].values()
        return _good(found)

    @retry(
        retry=retry_if_exception_type(Unreachable),
        wait=wait_exponential(max=20),  # seconds; a restart of the web server takes about 10
        stop=stop_after_attempt(8),  # a minute and a half in all
        reraise=True,
    )
    def ask_again(self, question: str, **variables: Any) -> dict[str, Any]:
        """The same with retries, for queries that change nothing."""
        return self.ask(question, **variables)

    def launch(self, job: str, week: str | None, tags: dict[str, str], config: Any) -> str:
        """Start a run, without retries so that it starts once, and return its id.

        Raises:
            Refused: no run was started.
            Unreachable: a run may have been started; `spine runs` shows it.
        """
        weeks = self.ask("job_weeks", job=job)["partitionKeysOrError"]["partitionKeys"]
        if bool(weeks) != bool(week):
            raise Refused(f"{job} is started {'for a week' if weeks else 'without a week'}")
        if week and week not in weeks:
            raise Refused(f"{job} has no week {week}; the newest is {weeks[-1]}")
        partition = {"dagster/partition": week} if week else {}
        listed = [{"key": key, "value": value} for key, value in (tags | partition).items()]
        answer = self.ask("launch_partition", job=job, tags=listed, config=config)
        run_id: str = answer["run"]["runId"]
        return run_id

    def follow(self, outcome: Outcome, every: float, until: float) -> Iterator[str]:
        """Lines about the progress of a run, until it has ended or the time is up."""
        after, status = None, ""
        while True:
            part = self.ask_again("run_result", runId=outcome.run_id, after=after)
            events = part["eventConnection"]
            after = events["cursor"]
            for event in events["events"]:
                outcome.take(event)
                if _is_for_people(event):
                    yield event["message"]
            outcome.status = part["status"]
            if status != outcome.status:
                status = outcome.status
                yield status.lower()
            # A run that ended during this query may have more events.
            if outcome.status in ENDED and not events["hasMore"] and not events["events"]:
                return
            if time.monotonic() > until:
                yield "the run continues; this program stops waiting (--patience)"
                return
            if not events["hasMore"]:
                time.sleep(every)


def _is_for_people(event: dict[str, Any]) -> bool:
    """Whether it is a log line, or the line about a week that is done."""
    if event["__typename"] == "EngineEvent":
        return any(item["label"] == PROGRESS for item in event["metadataEntries"])
    return bool(event["__typename"] == "LogMessageEvent" and event["level"] != "DEBUG")


def _good(found: dict[str, Any]) -> dict[str, Any]:
    """The answer, unless it is one of GraphQL's many errors."""
    kind = found["__typename"]
    if "message" not in found and "errors" not in found:
        return found
    message = found.get("message") or "; ".join(item["message"] for item in found["errors"])
    raise Refused(f"{kind}: {message}" + (f" ({NEXT[kind]})" if kind in NEXT else ""))


def _show(outcome: Outcome) -> None:
    """Print the outcome for people."""
    for item in outcome.made:
        rows, shares = (
            "-" if item[name] is None else f"{item[name]:,}" for name in ("rows", "shares")
        )
        click.echo(
            f"{item['asset']:24} {item['week'] or '-':10} {rows:>12} rows {shares:>16} shares"
        )
    for item in outcome.failed_checks:
        click.echo(f"{item['severity']} {item['asset']}: {item['check']}: {item['description']}")
    if outcome.error:
        click.echo(outcome.error.strip(), err=True)
    click.echo(f"{outcome.status.lower()}: run {outcome.run_id}")


@click.command()
@click.argument("url")
@click.argument("week", required=False)
@click.option("--job", default="otc_weekly", show_default=True, help="The job to start.")
@click.option("--lane", default="normal", show_default=True, help="Tag spine/lane.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A further tag.")
@click.option("--config", help="Run config as JSON; the job's own without it.")
@click.option("--ca", type=click.Path(exists=True), help="Certificates to trust (PEM).")
@click.option("--every", default=1.0, show_default=True, help="Seconds between two requests.")
@click.option("--patience", default=3600.0, show_default=True, help="Seconds to wait at most.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def main(
    url: str,
    week: str | None,
    job: str,
    lane: str,
    tags: tuple[str, ...],
    config: str | None,
    ca: str | None,
    every: float,
    patience: float,
    *,
    as_json: bool,
) -> None:
    """Start the run of WEEK (a Friday) at URL and wait; exit with 0 on success, else 1."""
    given = {"spine/lane": lane, "spine/trigger": "api", **dict(tag.split("=", 1) for tag in tags)}
    trusted = ssl.create_default_context(cafile=ca)
    headers = {"X-API-Key": os.environ.get(KEY, "")}
    with httpx.Client(base_url=url, headers=headers, verify=trusted, timeout=60) as client:
        dagster = Dagster(client)
        try:
            run_id = dagster.launch(job, week, given, json.loads(config) if config else None)
            outcome = Outcome(run_id)
            click.echo(f"started run {run_id}", err=True)
            for line in dagster.follow(outcome, every, time.monotonic() + patience):
                click.echo(line, err=True)
        except (Refused, Unreachable) as error:
            raise click.ClickException(str(error)) from error
    click.echo(json.dumps(vars(outcome), indent=2)) if as_json else _show(outcome)
    raise SystemExit(outcome.status != "SUCCESS")


if __name__ == "__main__":
    main()
