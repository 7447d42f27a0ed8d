"""Printing a backfill: its plan, its progress and its result."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from spine_assets.cli.render.console import CONSOLE, safe, text
from spine_assets.cli.render.runs import story_json
from spine_assets.cli.start_runs import Show
from spine_assets.core.progress import Progress as Reached
from spine_assets.core.tags import SHORT_ID
from spine_assets.core.text import counted
from spine_assets.orchestration.history.run_details import RunStory
from spine_assets.otc.tables import raw
from spine_assets.pipelines.catalog import RunPlan

_RAW = raw.TABLE.name
_NAMED = 6  # runs named in a plan; --json has all


@contextmanager
def bar(total: int, *, shown: bool) -> Iterator[Iterator[Show]]:
    """A bar of weeks, rows per second, failures and time left, over the runs of a backfill.

    Yields:
        For each run in turn, the function that takes its progress.
    """
    # Dagster redirects standard error to its own log while a run is in this process.
    with (
        os.fdopen(os.dup(2), "w") as screen,
        _bar(Console(file=screen, quiet=not shown), total) as shows,
    ):
        yield shows


@contextmanager
def _bar(console: Console, total: int) -> Iterator[Iterator[Show]]:
    columns = (
        TextColumn("weeks"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]} rows, {task.fields[pace]} rows/s"),
        TextColumn("{task.fields[failed]}", style="red"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as shown:
        task = shown.add_task("weeks", total=total, rows="0", pace="0", failed="")
        reached: list[Reached] = []

        def update() -> None:
            rows = sum(item.rows for item in reached)
            failed = sum(item.failed for item in reached)
            elapsed = shown.tasks[task].elapsed or 0.0
            shown.update(
                task,
                completed=sum(item.done for item in reached),
                rows=f"{rows:,}",
                pace=f"{rows / elapsed:,.0f}" if elapsed else "0",
                failed=f"{failed:,} failed" if failed else "",
            )

        yield _shows(reached, update)


def _shows(reached: list[Reached], update: Callable[[], None]) -> Iterator[Show]:
    while True:
        number = len(reached)
        reached.append(Reached(0, 0, 0, 0))

        def show(now: Reached | None, number: int = number) -> None:
            if now is not None:
                reached[number] = now
                update()

        yield show


def show(
    chosen: list[date],
    passed_over: int,
    plans: list[RunPlan],
    stories: list[RunStory],
    *,
    dry_run: bool,
    ended: bool,
) -> None:
    """Print the plan or the result of a backfill."""
    if not chosen:
        also = f"; {passed_over} with input are fresh" if passed_over else ""
        CONSOLE.print(f"no week to build{also}")
        return
    if dry_run:
        _plan(chosen, passed_over, plans)
    for item in stories:
        _one(item, ended)
    if stories and ended:
        _total(stories)


def _plan(chosen: list[date], passed_over: int, plans: list[RunPlan]) -> None:
    also = f", {passed_over} with input skipped" if passed_over else ""
    CONSOLE.print(f"would build {len(chosen)} weeks in {len(plans)} runs{also}:")
    for plan in plans[:_NAMED]:
        CONSOLE.print(f"  {plan.weeks}")
    if len(plans) > _NAMED:
        CONSOLE.print(f"  and {len(plans) - _NAMED} more runs")


def _one(item: RunStory, ended: bool) -> None:
    line = item.line
    weeks = f"{line.weeks[0]}..{line.weeks[1]}" if line.weeks else ""
    CONSOLE.print(
        f"run {line.run_id[:SHORT_ID]} {safe(weeks)}: {line.status}",
        soft_wrap=True,
        highlight=False,
    )
    if item.error and ended:
        for line_of_error in item.error.splitlines():
            CONSOLE.print(f"  {safe(line_of_error)}", soft_wrap=True, highlight=False)


def _total(stories: list[RunStory]) -> None:
    raw = [item.tables[_RAW] for item in stories if _RAW in item.tables]
    built, unchanged = sum(one.built for one in raw), sum(one.unchanged for one in raw)
    failed = sum(len(item.weeks_failed) for item in stories)
    began = [item.line.started for item in stories if item.line.started]
    ended = [item.line.ended for item in stories if item.line.ended]
    seconds = (max(ended) - min(began)).total_seconds() if began and ended else 0.0
    CONSOLE.print(
        f"{counted(built, 'week')} captured, {text(unchanged)} unchanged, "
        f"{text(failed)} failed; {text(sum(one.rows for one in raw))} rows in {seconds:,.1f} s",
        highlight=False,
    )
    if failed:
        CONSOLE.print("correct the input and run: spine backfill --failed")


def as_json(
    chosen: list[date],
    passed_over: int,
    plans: list[RunPlan],
    stories: list[RunStory],
    dry_run: bool,
) -> dict[str, Any]:
    """The plan and the result of a backfill for programs."""
    return {
        "weeks": [str(week) for week in chosen],
        "passed_over": passed_over,
        "dry_run": dry_run,
        "planned": [[str(plan.first), str(plan.last)] for plan in plans],
        "runs": [story_json(item) for item in stories],
    }
