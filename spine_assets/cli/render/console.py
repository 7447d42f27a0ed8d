"""What all commands print with: the console, tables, values as cells, a progress bar.

Whole shares are printed as whole numbers. Without a terminal nothing is wrapped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from spine_assets.cli.render.grid import Grid
from spine_assets.cli.shared import visible
from spine_assets.core.values import plain

_STYLES = {"success": "green"} | dict.fromkeys(("failure", "failed", "error"), "red")
_STYLES |= dict.fromkeys(("canceled", "canceling", "skipped", "warn"), "yellow")
_SCREEN = 40  # rows that a terminal shows: about a screen
CONSOLE = Console(emoji=False, soft_wrap=not sys.stdout.isatty())


def row_limit(every: bool) -> int | None:
    """How many rows are printed: all of them, None, unless a terminal shows a part."""
    return None if every or not sys.stdout.isatty() else _SCREEN


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
    return safe(", ".join(map(str, shown)) if isinstance(shown, list) else str(shown))


def styled(state: str, shown: str | None = None) -> str:
    """The state of a run or step or the severity of a finding, or another text, in its colour."""
    return f"[{_STYLES.get(state.lower(), 'cyan')}]{shown or state}[/]"


def safe(delivered: str) -> str:
    """A delivered text with its markup and control characters escaped."""
    return escape(in_one_line(delivered))


def in_one_line(delivered: str) -> str:
    """A delivered text with control characters, ends of lines and what the output lacks escaped."""
    shown = visible(delivered).replace("\n", "\\n")
    encoding = sys.stdout.encoding or "utf-8"
    return shown if shown.isascii() else shown.encode(encoding, "backslashreplace").decode(encoding)


def result(
    names: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    title: str | None = None,
) -> None:
    """Print rows as a table."""
    table = grid(*names, title=title)
    align_numbers(table, rows)
    for row in rows:
        table.add_row(*map(text, row))
    CONSOLE.print(table)


def align_numbers(table: Grid, rows: Sequence[tuple[Any, ...]]) -> None:
    """Align the columns that hold numbers on the right."""
    for number, column in enumerate(table.columns):
        if any(isinstance(row[number], (int, float, Decimal)) for row in rows):
            column.justify = "right"


def grid(*headers: str, title: str | None = None, lineage: Sequence[str] = ()) -> Grid:
    """An empty table in the style that all commands use; headings are shown as they are."""
    return Grid(*map(in_one_line, headers), title=title, lineage=lineage)


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
