"""How runs are printed."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.markup import escape

from spine_assets.cli.render import steps as render_steps
from spine_assets.cli.render.console import CONSOLE, grid, safe, styled, text
from spine_assets.core.tags import SHORT_ID
from spine_assets.orchestration.history.cancel import CancelResult
from spine_assets.orchestration.history.prune import PrunePlan
from spine_assets.orchestration.history.run_details import RunStory
from spine_assets.orchestration.history.runs import RunLine

_DID_CHARS = 160  # about three lines of its column


def lines(found: list[RunLine]) -> None:
    """Runs as a table."""
    table = grid("run", "of", "weeks", "lane", "trigger", "status", "started", "seconds", "did")
    table.columns[7].justify = "right"
    for item in found:
        did = item.did if len(item.did) <= _DID_CHARS else f"{item.did[:_DID_CHARS]}..."
        table.add_row(
            item.run_id[:SHORT_ID],
            safe(item.name),
            _weeks(item),
            safe(item.lane or ""),
            safe(item.trigger or ""),
            styled(item.status),
            f"{item.started:%Y-%m-%d %H:%M:%S}" if item.started else "",
            f"{item.seconds:,.1f}" if item.seconds is not None else "",
            safe(did),
        )
    CONSOLE.print(table)


def line_json(item: RunLine) -> dict[str, Any]:
    """A run for programs; times in ISO 8601 with their zone."""
    found = asdict(item)
    times = {name: _iso(found[name]) for name in ("created", "started", "ended")}
    weeks = {"first": item.weeks[0], "last": item.weeks[1]} if item.weeks else None
    return found | times | {"weeks": weeks}


def story(found: RunStory) -> None:
    """One run."""
    line = found.line
    given = {name: value for name, value in found.config.items() if name != "loggers"}
    CONSOLE.print(f"[bold]Run {line.run_id}[/bold] {styled(line.status)}")
    for label, value in (
        ("of", line.name),
        ("weeks", _weeks(line)),
        ("trigger", line.trigger),
        ("started", _time(line.started)),
        ("ended", _time(line.ended)),
        ("seconds", None if line.seconds is None else f"{line.seconds:,.1f}"),
        ("tags", ", ".join(f"{name}={value}" for name, value in found.tags.items())),
        ("parameters", json.dumps(given) if given else None),
        ("weeks done", text(len(found.weeks_done))),
        ("weeks failed", ", ".join(found.weeks_failed)),
    ):
        if value:
            CONSOLE.print(f"  {label:13}{safe(str(value))}", soft_wrap=True)
    if len(found.steps) > 1:
        render_steps.steps(found.steps)
    _tables(found)
    _checks(found)
    if found.error:
        CONSOLE.print("[red]Error[/red]")
        for error_line in found.error.splitlines():
            CONSOLE.print(f"  {safe(error_line)}", soft_wrap=True)
    if found.logs:
        CONSOLE.print("[bold]Last log lines[/bold]")
    for entry in found.logs:
        line_text = f"{entry.at:%H:%M:%S} {entry.level:7} {safe(entry.text)}"
        CONSOLE.print(f"  {line_text}", soft_wrap=True, highlight=False)


def _tables(found: RunStory) -> None:
    if not found.tables:
        return
    table = grid("table", "built", "unchanged", "rows", "shares", "seconds")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, made in found.tables.items():
        figures = (made.built, made.unchanged, made.rows, made.shares)
        table.add_row(safe(name), *(text(value) for value in figures), f"{made.seconds:,.1f}")
    CONSOLE.print(table)


def _checks(found: RunStory) -> None:
    wrong = [item for item in found.checks if not item.passed]
    if found.checks:
        CONSOLE.print(f"Checks: {len(found.checks) - len(wrong)} of {len(found.checks)} passed")
    if not wrong:
        return
    table = grid("week ending", "check", "outcome", "what it found")
    for item in wrong:
        name = f"{item.table} {item.check}"
        table.add_row(item.week_ending or "", name, styled(item.severity), safe(item.summary))
    CONSOLE.print(table)


def story_json(found: RunStory) -> dict[str, Any]:
    """One run for programs."""
    return {
        **line_json(found.line),
        "parameters": found.config,
        "tags": found.tags,
        "tables": {name: asdict(made) for name, made in found.tables.items()},
        "weeks_done": found.weeks_done,
        "weeks_failed": found.weeks_failed,
        "steps": [render_steps.as_json(step) for step in found.steps],
        "checks": [asdict(item) for item in found.checks],
        "error": found.error,
        "logs": [asdict(entry) | {"at": _iso(entry.at)} for entry in found.logs],
    }


def ending(run_id: str, found: CancelResult) -> None:
    """Print the outcome of a request to cancel a run."""
    line_text = f"run {run_id[:SHORT_ID]} is {found.status}: {found.reason}"
    CONSOLE.print(escape(line_text), soft_wrap=True)


def plan(found: PrunePlan, before: datetime) -> None:
    """Print how many old runs can be deleted, and why others are kept."""
    kept = sum(found.keep.values())
    CONSOLE.print(
        f"{kept + len(found.delete)} finished runs ended before {before:%Y-%m-%d %H:%M} UTC: "
        f"{len(found.delete)} can be deleted, {kept} are kept"
    )
    for reason, count in found.keep.items():
        CONSOLE.print(f"  {count:>6,} {reason}")


def plan_json(found: PrunePlan, before: datetime, deleted: int) -> dict[str, Any]:
    """The plan for programs."""
    return {
        "ended_before": before.isoformat(),
        "can_go": found.delete,
        "kept": {reason.name.lower(): count for reason, count in found.keep.items()},
        "deleted": deleted,
    }


def _weeks(item: RunLine) -> str:
    if item.weeks is None:
        return ""
    first, last = item.weeks
    return safe(first if first == last else f"{first} ... {last}")


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _time(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else None
