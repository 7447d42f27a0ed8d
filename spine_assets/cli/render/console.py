"""What all commands print with: the console, tables, values as cells, a progress bar.

Whole shares are printed as whole numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as Grid

from spine_assets.cli.shared import visible
from spine_assets.core.values import plain

_PIPED_WIDTH = 120  # a log or a pipe has no width of its own
_STYLES = {"success": "green"} | dict.fromkeys(("failure", "failed", "error"), "red")
_STYLES |= dict.fromkeys(("canceled", "canceling", "skipped", "warn"), "yellow")
CONSOLE = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def text(value: Any) -> str:
    """A value as a cell of a table."""
    shown = plain(value)
    if shown is None:
        return ""
    if isinstance(shown, bool):
        return "yes" if shown else "no"
    if isinstance(shown, int):
        return f"{shown:,}"
    if isinstance(shown, float):
        return f"{shown:,.4f}"
    return safe(", ".join(shown) if isinstance(shown, list) else str(shown))


def styled(state: str, shown: str | None = None) -> str:
    """The state of a run or step or the severity of a finding, or another text, in its colour."""
    return f"[{_STYLES.get(state.lower(), 'cyan')}]{shown or state}[/]"


def safe(delivered: str) -> str:
    """A delivered text with its markup and control characters escaped."""
    return escape(visible(delivered).replace("\n", "\\n"))


def result(names: list[str], rows: list[tuple[Any, ...]], title: str | None = None) -> None:
    """Print rows as a table."""
    table = grid(*map(safe, names), title=title)
    for number, column in enumerate(table.columns):
        if any(isinstance(row[number], (int, float, Decimal)) for row in rows):
            column.justify = "right"
    for row in rows:
        table.add_row(*(text(value) for value in row))
    CONSOLE.print(table)


def grid(*headers: str, title: str | None = None) -> Grid:
    """An empty table in the style that all commands use."""
    return Grid(*headers, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)


@contextmanager
def progress_of(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar; the yielded function takes how much is done and how much there is."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar; the yielded function advances it by one."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)
