"""The long version of the conservation tests, with a count of files by outcome.

    python -m spine_assets_tests.abuse.fuzz --files 20000 --seed 1

The same seed gives the same files. A failing input is printed with its traceback and the
command that repeats its batch; the other batches still run, and the exit code is 1.
Stopped early (Ctrl-C), it tells what it counted until then, with exit code 130.
"""

from __future__ import annotations

import json
import pprint
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import click
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from spine_assets.otc.delivery import scan
from spine_assets_tests.abuse import storage_laws
from spine_assets_tests.abuse.damage import DAMAGE, DROPS
from spine_assets_tests.abuse.deliveries import bad_file, week_files
from spine_assets_tests.abuse.file_laws import Tally, check_file
from spine_assets_tests.abuse.week_laws import check_week

BATCH = 250  # a failure is shrunk and ends its batch only
_FILES_A_WEEK = 40  # whole weeks, landings and damages cost as much as so many single files
KINDS = ("week", "landing", "index", "lake", "file")
_INTERRUPTED = 130  # what a shell says of a command that Ctrl-C ended
_SHOWN = Console(stderr=True)


@dataclass
class Fuzz:
    """One run: where it works, what it counted and what failed."""

    work: Path
    tally: Tally = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)
    stopped: bool = False
    last: Any = None

    def __post_init__(self) -> None:
        self.index = storage_laws.known_landing(self.work / "index")
        self.lake = storage_laws.known_lake(self.work / "lake")

    def check(self, kind: str, drawn: Any) -> None:
        """Hold the laws of one example."""
        self.last = drawn
        if kind == "file":
            check_file(drawn, self.tally)
        elif kind == "index":
            storage_laws.check_index(self.index, drawn, self.tally)
        else:
            with tempfile.TemporaryDirectory(dir=self.work) as folder:
                root = Path(folder) / "data"
                if kind == "week":
                    check_week(root, drawn, self.tally)
                elif kind == "landing":
                    storage_laws.check_landing(root, drawn, self.tally)
                else:
                    which, damage, force = drawn
                    storage_laws.check_lake(self.lake, root, which, damage, force, self.tally)

    def batch(self, kind: str, number: int, examples: int, step: Callable[[], None]) -> None:
        """Some examples of one kind, the same ones for the same number."""

        def one(drawn: Any) -> None:
            step()
            self.check(kind, drawn)

        strategies: dict[str, st.SearchStrategy[Any]] = {
            "file": bad_file(),
            "week": week_files(),
            "landing": DROPS,
            "index": DAMAGE,
            "lake": st.tuples(st.integers(0, 7), DAMAGE, st.booleans()),
        }
        wanted = settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        try:
            seed(number)(wanted(given(strategies[kind])(one)))()
        except Exception as error:  # whatever comes out is what was looked for
            self.failures.append(
                {
                    "kind": kind,
                    "batch": number,
                    "error": "".join(traceback.format_exception(error)[-3:])[-1_500:],
                    "input": pprint.pformat(self.last, width=100)[:3_000],
                    "repeat": "python -m spine_assets_tests.abuse.fuzz "
                    f"--only {kind} --seed {number} --files {examples}",
                }
            )


def plan(files: int, first_seed: int, only: str | None) -> list[tuple[str, int, int]]:
    """Batches as (kind, seed, examples)."""
    found = []
    for kind in KINDS:
        if only not in {None, kind}:
            continue
        left = files if only or kind == "file" else files // _FILES_A_WEEK
        number = first_seed
        while left > 0:
            found.append((kind, number, min(left, BATCH)))
            left -= BATCH
            number += 1
    return found


@contextmanager
def _settled() -> Any:
    """Files are delivered whole here, so the scan need not wait for a writer."""
    before, scan.SETTLE_SECONDS = scan.SETTLE_SECONDS, 0.0
    try:
        yield
    finally:
        scan.SETTLE_SECONDS = before


def run(batches: list[tuple[str, int, int]]) -> Fuzz:
    """All batches, with a progress bar on the error stream."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=_SHOWN,
    )
    with tempfile.TemporaryDirectory(prefix="spine-fuzz-") as folder, _settled(), bar:
        fuzz = Fuzz(Path(folder))
        try:
            for kind in KINDS:
                mine = [(number, examples) for name, number, examples in batches if name == kind]
                if not mine:
                    continue
                task = bar.add_task(kind, total=sum(examples for _, examples in mine))
                for number, examples in mine:
                    fuzz.batch(kind, number, examples, partial(bar.advance, task))
        except KeyboardInterrupt:
            fuzz.stopped = True
    return fuzz


def show(fuzz: Fuzz, seconds: float) -> None:
    """Print counts by outcome and each failure."""
    grid = Table("outcome", "count")
    for name, count in sorted(fuzz.tally.items()):
        grid.add_row(name, f"{count:,}")
    console = Console()
    console.print(grid)
    early = ", stopped early" if fuzz.stopped else ""
    console.print(f"{seconds:.0f} seconds, {len(fuzz.failures)} failures{early}")
    for failure in fuzz.failures:
        for name, value in failure.items():
            console.print(f"{name}: {value}", markup=False, highlight=False)


@click.command()
@click.option("--files", default=2_000, show_default=True, help="How many single files.")
@click.option("--seed", "first_seed", default=1, show_default=True, help="Seed of batch one.")
@click.option("--only", type=click.Choice(KINDS), help="One kind; --files counts its examples.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(files: int, first_seed: int, only: str | None, as_json: bool) -> None:
    """Deliver many bad files and hold every law on them."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.perf_counter()
    fuzz = run(plan(files, first_seed, only))
    seconds = time.perf_counter() - started
    if as_json:
        counts = dict(sorted(fuzz.tally.items()))
        answer = {"seconds": round(seconds, 1), "stopped": fuzz.stopped, "counts": counts}
        click.echo(json.dumps(answer | {"failures": fuzz.failures}, indent=2))
    else:
        show(fuzz, seconds)
    sys.exit(_INTERRUPTED if fuzz.stopped else int(bool(fuzz.failures)))


if __name__ == "__main__":
    main()
