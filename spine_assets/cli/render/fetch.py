"""How a fetch is printed: its plan, its progress, its result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from spine_assets.cli.render.console import CONSOLE, grid, safe
from spine_assets.cli.shared import print_json
from spine_assets.finra.batch import FetchReport
from spine_assets.finra.fetching import Fetched, FetchOutcome, FetchTask, OnPage
from spine_assets.finra.holdings import Holdings

_LISTED = 30  # answers in the table; --json has all


@contextmanager
def bar(tasks: list[FetchTask]) -> Iterator[Callable[[FetchTask], OnPage]]:
    """A progress bar of weeks and tiers, with the rows of the current one."""
    columns = (
        TextColumn("tiers of weeks"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[now]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as shown:
        line = shown.add_task("", total=len(tasks), now="")
        begun = 0

        def begin(task: FetchTask) -> OnPage:
            nonlocal begun
            what = f"{task.offer.week_ending} {task.offer.tier}"
            shown.update(line, completed=begun, now=what)
            begun += 1

            def moved(rows: int, total: int) -> None:
                shown.update(line, now=f"{what}: {rows:,} of {total:,} rows")

            return moved

        yield begin
        shown.update(line, completed=begun, now="")


def planned(tasks: list[FetchTask], holdings: Holdings, *, as_json: bool) -> None:
    """Print what would be fetched."""
    keys = [key for task in tasks for key in task.keys]
    if as_json:
        answers = [
            {"week_ending": str(week), "tier": tier, "venue_class": venue_class}
            | {"is_here": (week, tier, venue_class) in holdings}
            for week, tier, venue_class in keys
        ]
        print_json({"dry_run": True, "answers": answers})
        return
    here = sum(key in holdings for key in keys)
    weeks = len({week for week, _, _ in keys})
    CONSOLE.print(
        f"would fetch {len(keys) - here} answers of {weeks} weeks, and check whether {here} "
        "local ones have changed"
    )


def report(found: FetchReport, requests: int, landing: Path) -> None:
    """Print the result, new files first."""
    counts = Counter(item.outcome for item in found.fetched)
    new = [item for item in found.fetched if item.outcome is FetchOutcome.FETCHED]
    if new:
        table = grid("week ending", "tier", "class", "rows", "file", title="Fetched")
        table.columns[3].justify = "right"
        for item in new[:_LISTED]:
            week, tier, venue_class = item.key
            table.add_row(str(week), tier, venue_class, f"{item.rows:,}", safe(item.file or ""))
        CONSOLE.print(table)
        if len(new) > _LISTED:
            CONSOLE.print(f"and {len(new) - _LISTED} more files; --json has all")
    answers = ", ".join(
        f"{counts[outcome]} {outcome}" for outcome in FetchOutcome if counts[outcome]
    )
    CONSOLE.print(f"{answers or 'nothing to fetch'}; {requests} requests", highlight=False)
    for (week, tier), message in found.failures.items():
        CONSOLE.print(f"[red]week {week}, {tier}:[/red] {safe(message)}", soft_wrap=True)
    if found.not_asked:
        CONSOLE.print(
            f"{found.not_asked} tiers of weeks were not requested; run the same command to continue"
        )
    if new:
        first, last = min(item.key[0] for item in new), max(item.key[0] for item in new)
        CONSOLE.print(
            f"They are in {safe(str(landing))}. A running daemon builds them; without one: "
            f"spine backfill {first}..{last}",
            soft_wrap=True,
            highlight=False,
        )


def as_json(found: FetchReport, requests: int) -> dict[str, Any]:
    """The same for programs."""
    return {
        "answers": [_answer(item) for item in found.fetched],
        "failures": [
            {"week_ending": str(week), "tier": tier, "error": message}
            for (week, tier), message in found.failures.items()
        ],
        "not_asked": found.not_asked,
        "requests": requests,
    }


def _answer(item: Fetched) -> dict[str, Any]:
    week, tier, venue_class = item.key
    return {
        "week_ending": str(week),
        "tier": tier,
        "venue_class": venue_class,
        "outcome": item.outcome,
        "rows": item.rows,
        "file": item.file,
    }
