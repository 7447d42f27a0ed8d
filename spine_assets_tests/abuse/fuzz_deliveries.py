"""Plays drawn delivery histories against the code, and an oracle of the rules judges each run.

    python -m spine_assets_tests.abuse.fuzz_deliveries --histories 2000 --seed 1

History number N is drawn from seed N alone, so a run goes on where another ended. Each failure is
printed with its seed and the shortest history that still shows it; the exit code is then 1. Stopped
early (Ctrl-C), it tells how far it came, with exit code 130.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from spine_assets_tests.abuse.histories import Drop, History, draw

_INTERRUPTED = 130  # what a shell says of a command that Ctrl-C ended
_MOST_TRIES = 80  # to shorten a history, a second each


@dataclass(frozen=True)
class Found:
    """What a seed's history showed; `kind` is blank where code and oracle agree."""

    seed: int
    kind: str = ""
    detail: str = ""
    shortest: str = ""
    tally: tuple[tuple[str, int], ...] = ()


def judge(seed: int, *, shorten: bool = True) -> Found:
    """Play the history of a seed, and shorten it if it fails."""
    history = draw(seed)
    kind, detail, tally = _played(history)
    found = Found(seed, kind, detail, str(history), tuple(sorted(tally.items())))
    if not kind or not shorten:
        return found
    shortest = _shortened(history, kind)
    _, detail, _ = _played(shortest)
    return replace(found, detail=detail or found.detail, shortest=str(shortest))


def _played(history: History) -> tuple[str, str, Counter[str]]:
    """Kind and detail of the first failure, and what was counted."""
    from spine_assets_tests.abuse.play_history import (
        play,
    )

    # In memory where that is possible: each of the many small files is synced to its disk.
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="spine-history-", dir=place) as folder:
        try:
            failures, tally = play(Path(folder) / "data", history)
        except Exception as error:
            return "crash", "".join(traceback.format_exception(error)[-3:])[-1_500:], Counter()
    return (failures[0].kind, failures[0].detail, tally) if failures else ("", "", tally)


def _shortened(history: History, kind: str) -> History:
    """The same kind of failure with as few steps as can be found."""
    tries = 0
    number = len(history.steps) - 1
    while number >= 0 and tries < _MOST_TRIES:
        steps = (*history.steps[:number], *history.steps[number + 1 :])
        shorter = replace(history, steps=steps)
        if any(isinstance(step, Drop) for step in steps):
            tries += 1
            if _played(shorter)[0] == kind:
                history = shorter
        number -= 1
    return history


@contextmanager
def _workers(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Processes in which Polars has one thread: its frames are small here."""
    before = os.environ.get("POLARS_MAX_THREADS")
    os.environ["POLARS_MAX_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_quiet)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        if before is None:
            del os.environ["POLARS_MAX_THREADS"]
        else:
            os.environ["POLARS_MAX_THREADS"] = before


def _quiet() -> None:
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the pool


def run(seeds: range, processes: int) -> tuple[list[Found], list[int]]:
    """What the histories of the seeds showed, and the seeds that were not played."""
    found: list[Found] = []
    with _workers(processes) as pool:
        futures = {pool.submit(judge, seed): seed for seed in seeds}
        try:
            ended = as_completed(futures)
            shown = track(ended, "histories", len(seeds), console=Console(stderr=True))
            found.extend(future.result() for future in shown)
        except (KeyboardInterrupt, BrokenProcessPool):
            for future in futures:
                future.cancel()
    played = {item.seed for item in found}
    return sorted(found, key=lambda item: item.seed), [s for s in seeds if s not in played]


@click.command()
@click.option("--histories", default=2_000, show_default=True, help="How many.")
@click.option("--seed", default=1, show_default=True, help="Seed of the first one.")
@click.option("--processes", default=os.cpu_count() or 1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(histories: int, seed: int, processes: int, as_json: bool) -> None:
    """Play many delivery histories and compare each run with the oracle."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.perf_counter()
    found, left = run(range(seed, seed + histories), processes)
    seconds = round(time.perf_counter() - started, 1)
    failures = [item for item in found if item.kind]
    tally = Counter[str]()
    for item in found:
        tally.update(dict(item.tally))
    if as_json:
        answer = {"seconds": seconds, "counts": tally, "left": left}
        click.echo(json.dumps(answer | {"failures": [asdict(item) for item in failures]}))
    else:
        _show(failures, tally)
        click.echo(f"{len(found)} histories, {len(failures)} failures, {seconds:.0f} seconds")
        if left:
            click.echo(f"stopped early; go on with --seed {left[0]} --histories {len(left)}")
    sys.exit(_INTERRUPTED if left else int(bool(failures)))


def _show(failures: list[Found], tally: Counter[str]) -> None:
    width = shutil.get_terminal_size().columns
    for item in failures:
        click.echo(f"{'-' * width}\nseed {item.seed}: {item.kind}: {item.detail}\n{item.shortest}")
    for name, count in sorted(tally.items()):
        click.echo(f"{count:>9,}  {name}")


if __name__ == "__main__":
    main()
