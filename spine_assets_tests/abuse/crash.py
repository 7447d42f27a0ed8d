"""Kill real runs at random moments, many times, while a reader looks on.

    python -m spine_assets_tests.abuse.crash --kills 200 --jobs 2 --seed 1

Ends with 1 when a reader saw a half or a rerun did not mend everything; the folder of that
round is kept and named.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from spine_assets_tests.abuse.rounds import AFTER, START_UP, WORKING, Pace, Report, Round


class Harness:
    """Rounds side by side until enough runs were killed."""

    def __init__(self, folder: Path, kills: int, seed: int, progress: Progress | None) -> None:
        self.folder, self.seed, self.progress = folder, seed, progress
        self.report, self.pace = Report(), Pace()
        self._left, self._next_round = kills, 0
        self._lock = threading.Lock()
        self._bar = progress.add_task("kills", total=kills) if progress else None

    def run(self, jobs: int) -> Report:
        """Rounds in `jobs` threads; each starts processes of its own."""
        with ThreadPoolExecutor(jobs) as pool:
            for done in [pool.submit(self._rounds) for _ in range(jobs)]:
                done.result()
        return self.report

    def stop(self) -> None:
        """Kill no more: rounds that are under way complete and count."""
        with self._lock:
            self._left = 0

    def _rounds(self) -> None:
        while (number := self._begin()) is not None:
            folder = self.folder / f"round-{number}"
            done = Round(folder, self.seed * 10_000 + number, self._may_kill, self.pace).run()
            with self._lock:
                self.report.add(done)
            if done.violations:
                (folder / "violations.txt").write_text("\n".join(done.violations), "utf-8")
            else:
                shutil.rmtree(folder)

    def _begin(self) -> int | None:
        with self._lock:
            if self._left <= 0:
                return None
            self._next_round += 1
            return self._next_round

    def _may_kill(self) -> bool:
        """Take one of the kills that are left."""
        with self._lock:
            if self._left <= 0:
                return False
            self._left -= 1
            if self.progress and self._bar is not None:
                self.progress.advance(self._bar)
            return True


def crash(kills: int, jobs: int, seed: int, progress: Progress | None = None) -> Report:
    """Kill about that many runs; one that ends before its kill counts as none.

    Ctrl-C ends the killing early, not the report.
    """
    folder = Path(tempfile.mkdtemp(prefix="spine-crash-"))
    harness = Harness(folder, kills, seed, progress)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: harness.stop())
    report = harness.run(jobs)
    if not report.violations:
        shutil.rmtree(folder)
    return report


def show(report: Report, console: Console) -> None:
    """The report for people."""
    table = Table(title="Killed runs", show_header=False)
    phases = ", ".join(f"{report.kills[name]} {name}" for name in (START_UP, WORKING, AFTER))
    for name, value in (
        ("rounds", report.rounds),
        ("kills", f"{report.kills.total()}: {phases}"),
        ("between write and rename", f"{report.in_a_write.total()}: {_counts(report.in_a_write)}"),
        ("tables left part old, part new", report.half_done),
        ("rejects left without rows", report.lone_rejects),
        ("contents left without rows", report.lone_contents),
        ("ended before the kill", report.completed_early),
        ("completed runs", report.reruns),
        ("reads", report.reads),
        ("units seen", _counts(report.states)),
        ("reads broken off and made again", _counts(report.broken_off) or 0),
        ("rejects seen and withdrawn", report.withdrawn),
        ("rows compared", report.rows_compared),
        ("violations", len(report.violations)),
    ):
        table.add_row(name, f"{value:,}" if isinstance(value, int) else value)
    console.print(table)
    for text in (*report.violations, *(f"kept: {name}" for name in report.kept)):
        console.print(text, markup=False, highlight=False)


def _counts(counter: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counter.items()))


@click.command()
@click.option("--kills", default=200, show_default=True, help="How many runs to kill.")
@click.option("--jobs", default=2, show_default=True, help="Rounds side by side.")
@click.option("--seed", default=1, show_default=True, help="Another seed, other moments.")
@click.option("--json", "as_json", is_flag=True, help="Print the report for programs.")
def main(kills: int, jobs: int, seed: int, *, as_json: bool) -> None:
    """Kill real runs at random moments while a reader looks on."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        report = crash(kills, jobs, seed, progress)
    if as_json:
        click.echo(json.dumps(vars(report), indent=2))
    else:
        show(report, Console())
    sys.exit(bool(report.violations))


if __name__ == "__main__":
    main()
