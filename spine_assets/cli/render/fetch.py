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
from spine_assets.finra.restatements import Changes
from spine_assets.otc.delivery.placement import Grain

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


def planned(
    tasks: list[FetchTask], holdings: Holdings, look: Changes | None, *, as_json: bool
) -> None:
    """Print what would be fetched."""
    keys = [key for task in tasks for key in task.keys]
    if as_json:
        answers = [
            {"week_ending": str(week), "tier": tier, "venue_class": venue_class}
            | {"is_here": (week, tier, venue_class) in holdings}
            for week, tier, venue_class in keys
        ]
        print_json({"dry_run": True, "answers": answers, "restatements": _look(look)})
        return
    here = sum(key in holdings for key in keys)
    weeks = len({week for week, _, _ in keys})
    CONSOLE.print(
        f"would fetch {len(keys) - here} answers of {weeks} weeks, and check whether {here} "
        "local ones have changed"
    )
    _print_refusal(look)


def report(found: FetchReport, look: Changes | None, requests: int, landing: Path) -> None:
    """Print the result, new files first."""
    new = [item for item in found.fetched if item.outcome is FetchOutcome.FETCHED]
    if new:
        table = grid("week ending", "tier", "class", "of", "rows", "file", title="Fetched")
        table.columns[4].justify = "right"
        for item in new[:_LISTED]:
            week, tier, venue_class = item.key
            rows, file = f"{item.rows:,}", safe(item.file or "")
            table.add_row(str(week), tier, venue_class, item.grain, rows, file)
        CONSOLE.print(table)
        if len(new) > _LISTED:
            CONSOLE.print(f"and {len(new) - _LISTED} more files; --json has all")
    answers = _counts(found, Grain.VENUES) or "nothing to fetch"
    totals = _counts(found, Grain.TOTALS)
    also = f"; control totals: {totals}" if totals else ""
    CONSOLE.print(f"{answers}{also}; {requests} requests", highlight=False)
    _print_refusal(look)
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


def _counts(found: FetchReport, grain: Grain) -> str:
    """How many parts of a grain had which outcome."""
    counts = Counter(item.outcome for item in found.fetched if item.grain is grain)
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in FetchOutcome if counts[outcome])


def _print_refusal(look: Changes | None) -> None:
    if look is not None and look.refusal is not None:
        CONSOLE.print(
            f"FINRA did not answer which weeks changed ({look.refusal.at:%Y-%m-%d}), so each week "
            f"is asked about in its turn: {safe(look.refusal.why)}",
            soft_wrap=True,
            highlight=False,
        )


def as_json(found: FetchReport, look: Changes | None, requests: int) -> dict[str, Any]:
    """The same for programs."""
    return {
        "answers": [_answer(item) for item in found.fetched],
        "failures": [
            {"week_ending": str(week), "tier": tier, "error": message}
            for (week, tier), message in found.failures.items()
        ],
        "not_asked": found.not_asked,
        "restatements": _look(look),
        "requests": requests,
    }


def _look(look: Changes | None) -> dict[str, Any] | None:
    """How many answers FINRA may have changed, and why it did not say which; None: not asked."""
    if look is None:
        return None
    refusal = look.refusal.why if look.refusal else None
    return {"named": len(look.changed), "refusal": refusal}


def _answer(item: Fetched) -> dict[str, Any]:
    week, tier, venue_class = item.key
    return {
        "week_ending": str(week),
        "tier": tier,
        "venue_class": venue_class,
        "grain": item.grain,
        "outcome": item.outcome,
        "rows": item.rows,
        "file": item.file,
    }
