"""How runs with their steps are printed, and the steps of one run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from spine_assets.cli.render.console import CONSOLE, grid, safe, styled
from spine_assets.cli.render.grid import Grid
from spine_assets.core.tags import SHORT_ID
from spine_assets.orchestration.history.run_rows import RunRows

Row = dict[str, Any]

_ERROR_CHARS = 100  # about two lines of its column; `spine runs show` has the rest


def runs(found: Sequence[RunRows]) -> None:
    """Print runs, each followed by one line per step."""
    table = _grid("run", "pipeline", "tenant", "step")
    for run in found:
        total = run.row["total_steps"]
        table.add_section()
        table.add_row(
            run.row["pipeline_logging_id"][:SHORT_ID],
            safe(run.row["pipeline_id"]),
            safe(run.row["tenant_id"] or ""),
            "" if total is None else f"{run.row['completed_steps']} of {total} done",
            # The line of a failed step has the reason.
            *_cells(
                run.row["status"],
                None,
                _between(run.row),
                None if run.row["failed_steps"] else run.row["error_message"],
            ),
        )
        for step in run.steps:
            table.add_row("", "", "", safe(step["step_id"]), *_of_step(step))
    CONSOLE.print(table)


def steps(found: Iterable[Row]) -> None:
    """Steps of one run."""
    table = _grid("step")
    for step in found:
        table.add_row(safe(step["step_id"]), *_of_step(step))
    CONSOLE.print(table)


def run_json(found: RunRows) -> Row:
    """A run for programs, all columns of it and of its steps; times in ISO 8601 with their zone."""
    return as_json(found.row) | {"steps": [as_json(step) for step in found.steps]}


def as_json(row: Row) -> Row:
    """A row for programs."""
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.isoformat()}+00:00"
    return str(value) if isinstance(value, date) else value


def _grid(*first: str) -> Grid:
    table = grid(*first, "status", "rows", "seconds", "error")
    for column in table.columns[len(first) + 1 : len(first) + 3]:
        column.justify = "right"
    return table


def _of_step(step: Row) -> tuple[str, ...]:
    facts = step["execution_metadata"]
    message = step["error_message"] or facts["reason"]
    return _cells(step["status"], step["rows_processed"], facts["seconds"], message)


def _cells(
    status: str, rows: int | None, seconds: float | None, message: str | None
) -> tuple[str, ...]:
    text = " ".join((message or "").split())
    text = text if len(text) <= _ERROR_CHARS else f"{text[:_ERROR_CHARS]}..."
    return (
        styled(status),
        "" if rows is None else f"{rows:,}",
        "" if seconds is None else f"{seconds:,.1f}",
        safe(text),
    )


def _between(row: Row) -> float | None:
    if row["start_time"] is None or row["end_time"] is None:
        return None
    return float((row["end_time"] - row["start_time"]).total_seconds())
