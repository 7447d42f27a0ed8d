"""What the runs of `history.py` come to: figures for JSON and a table for people."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delivered import Size
from measuring import Cost, rounded, together
from rich.console import Console
from rich.table import Table
from variants import FLOORS, SPINE, Variant

_MEGA = 1e6
_WIDTH = 118  # of the table, where a terminal does not say
# What the project's log says of a week, for example "week 2025-10-03: 5 tables built in 2.36 s".
_WEEK_BUILT = re.compile(r" - week \d{4}-\d\d-\d\d: .* in (\d+\.\d+) s")


@dataclass(frozen=True)
class Run:
    """What a variant did once: its cost, its input and what it wrote, in bytes.

    `other_bytes` is what it wrote beside its tables: Dagster's storage and logs.
    `week_seconds` is what its log says each week took, where it says so.
    """

    cost: Cost
    size: Size
    table_bytes: int
    other_bytes: int
    load_average: float
    week_seconds: list[float]


def week_seconds(log: Path) -> list[float]:
    """Seconds a week by the project's own log, in the order of the run."""
    return [float(found) for found in _WEEK_BUILT.findall(log.read_text(errors="replace"))]


def joined(parts: Sequence[Run]) -> Run:
    """The runs of one variant on block after block, as one; the load is the highest."""
    return Run(
        together(part.cost for part in parts),
        Size(*(sum(part.size[place] for part in parts) for place in range(len(Size._fields)))),
        sum(part.table_bytes for part in parts),
        sum(part.other_bytes for part in parts),
        max(part.load_average for part in parts),
        [seconds for part in parts for seconds in part.week_seconds],
    )


def seconds_per_row(run: Run) -> float:
    """Wall time a row: how variants of different input are compared."""
    return run.cost.wall_seconds / run.size.rows


def summary(variant: Variant, runs: Sequence[Run]) -> dict[str, Any]:
    """A variant's median run, and all of them.

    `rows_per_second` and `mb_per_second` (of text) are by wall time.
    """
    middle = sorted(runs, key=seconds_per_row)[(len(runs) - 1) // 2]
    wall = middle.cost.wall_seconds
    return {
        "variant": variant.name,
        "label": variant.label,
        **middle.size._asdict(),
        **rounded(middle.cost),
        "cpu_seconds": round(middle.cost.cpu_seconds, 3),
        "rows_per_second": round(middle.size.rows / wall),
        "mb_per_second": round(middle.size.bytes / _MEGA / wall, 1),
        "table_bytes": middle.table_bytes,
        "other_bytes": middle.other_bytes,
        **_constancy(middle.week_seconds),
        "runs": [
            {**rounded(run.cost), "load_average": run.load_average, "rows": run.size.rows}
            for run in runs
        ],
    }


def _constancy(seconds: Sequence[float]) -> dict[str, float]:
    """Whether a late week costs what an early one does: medians of the first and last fifth."""
    fifth = len(seconds) // 5
    if not fifth:
        return {}
    return {
        "week_seconds_first_fifth": round(statistics.median(seconds[:fifth]), 3),
        "week_seconds_last_fifth": round(statistics.median(seconds[-fifth:]), 3),
    }


def times_the_floor(runs: Mapping[str, Sequence[Run]]) -> dict[str, dict[str, float]]:
    """How many times the best floor's time each variant takes a row, by wall and by CPU time.

    The median over repeats, each compared with the floor of its own repeat: what else the
    machine does then weighs on both.
    """
    floors = [runs[floor.name] for floor in FLOORS if floor.name in runs]
    if not floors:
        return {}
    wall = [min(map(seconds_per_row, turn)) for turn in zip(*floors, strict=True)]
    cpu = [min(map(_cpu_per_row, turn)) for turn in zip(*floors, strict=True)]
    return {
        name: {
            "wall": _median_ratio(map(seconds_per_row, found), wall),
            "cpu": _median_ratio(map(_cpu_per_row, found), cpu),
        }
        for name, found in runs.items()
    }


def _cpu_per_row(run: Run) -> float:
    return run.cost.cpu_seconds / run.size.rows


def _median_ratio(values: Iterable[float], floors: list[float]) -> float:
    return round(statistics.median(v / f for v, f in zip(values, floors, strict=True)), 3)


def show(told: Mapping[str, Any]) -> None:
    """Print the table and what was compared."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    machine = told["machine"]
    title = (
        f"{told['weeks']} weeks of about {told['rows_per_week']:,} rows, {machine['date']}, "
        f"{machine['cores']} cores, {machine['memory_gb']} GB"
    )
    table = Table(title=title, caption=_caption(told), title_justify="left", caption_justify="left")
    table.add_column("variant", no_wrap=True)
    for name in (
        "rows",
        "wall s",
        "CPU s",
        "peak MB",
        "rows/s",
        "MB/s",
        "tables MB",
        "x floor",
        "x CPU",
    ):
        table.add_column(name, justify="right")
    for row in told["variants"]:
        ratio = told["times_the_floor"].get(row["variant"], {})
        table.add_row(
            row["label"],
            f"{row['rows']:,}",
            f"{row['wall_seconds']:.2f}",
            f"{row['cpu_seconds']:.2f}",
            f"{row['peak_bytes'] / _MEGA:.0f}",
            f"{row['rows_per_second']:,}",
            f"{row['mb_per_second']:.1f}",
            f"{row['table_bytes'] / _MEGA:.1f}",
            f"{ratio['wall']:.2f}" if ratio else "",
            f"{ratio['cpu']:.2f}" if ratio else "",
        )
    console.print(table)
    for name, found in told["differences"].items():
        console.print(f"{name} against {SPINE.name}: {'; '.join(found) or 'the same tables'}")


def _caption(told: Mapping[str, Any]) -> str:
    return (
        f"median of {told['repeats']}; x floor: wall time a row, in units of the best bare script's"
    )
