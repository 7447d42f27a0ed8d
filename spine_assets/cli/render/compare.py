"""How a comparison of backends is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from spine_assets.cli.render.console import CONSOLE, grid, safe
from spine_assets.dev.compare_backends.sides import Side

_SHOWN = 10  # differences per backend; --json has all


def show(weeks: Sequence[date], sides: Sequence[Side], absent: Mapping[str, str]) -> None:
    """Print one line per backend, then what failed and what differs."""
    CONSOLE.print(f"{len(weeks)} weeks, {weeks[0]}..{weeks[-1]}", highlight=False)
    figures = ("runs", "wall s", "building s", "overhead s", "rows", "rows/s")
    table = grid("backend", "status", *figures, "tables")
    for column in table.columns[2:-1]:
        column.justify = "right"
    for side in sides:
        table.add_row(*_cells(side))
    for name in absent:
        table.add_row(name, "not available", *[""] * 7)
    CONSOLE.print(table)
    for name, why in absent.items():
        CONSOLE.print(f"{name} is not available: {why}", highlight=False, soft_wrap=True)
    for side in sides:
        _problems(side)


def _cells(side: Side) -> list[str]:
    wall = side.median(lambda trial: trial.wall_seconds)
    rows = side.trials[-1].rows
    made_nothing = not any(trial.is_ok for trial in side.trials)
    return [
        side.backend,
        "ok" if side.is_ok else "failed",
        str(side.trials[-1].runs),
        f"{wall:.1f}",
        f"{side.median(lambda trial: trial.building_seconds):.1f}",
        f"{side.median(lambda trial: trial.overhead_seconds):.1f}",
        f"{rows:,}",
        f"{rows / wall:,.0f}",
        "not compared" if made_nothing else "equal" if side.is_equal else "differ",
    ]


def _problems(side: Side) -> None:
    for trial in side.trials:
        if trial.weeks_failed:
            CONSOLE.print(f"{side.backend}: failed: {', '.join(trial.weeks_failed)}")
        for line in (trial.error or "").splitlines():
            CONSOLE.print(f"  {safe(line)}", highlight=False, soft_wrap=True)
    for line in side.differs[:_SHOWN]:
        CONSOLE.print(f"{side.backend}: {safe(line)}", highlight=False, soft_wrap=True)
    if len(side.differs) > _SHOWN:
        CONSOLE.print(f"{side.backend}: and {len(side.differs) - _SHOWN} more")


def as_json(
    weeks: Sequence[date], sides: Sequence[Side], absent: Mapping[str, str]
) -> dict[str, Any]:
    """The comparison for programs, one entry per trial."""
    return {
        "weeks": [str(week) for week in weeks],
        "backends": [_side_json(side) for side in sides]
        + [
            {"backend": name, "status": "not available", "reason": why, "trials": []}
            for name, why in absent.items()
        ],
    }


def _side_json(side: Side) -> dict[str, Any]:
    return {
        "backend": side.backend,
        "status": "ok" if side.is_ok else "failed",
        "is_equal": side.is_equal,
        "differences": side.differs,
        "trials": [
            {
                "status": "ok" if trial.is_ok else "failed",
                "runs": trial.runs,
                "weeks_failed": list(trial.weeks_failed),
                "error": trial.error,
                "wall_seconds": trial.wall_seconds,
                "building_seconds": trial.building_seconds,
                "overhead_seconds": round(trial.overhead_seconds, 3),
                "rows": trial.rows,
                "rows_per_second": round(trial.rows / trial.wall_seconds),
            }
            for trial in side.trials
        ],
    }
