"""FINRA's history through bare scripts, this project, the usual Dagster way and row by row.

    uv run --group bench python benchmarks/history.py --place PLACE --weeks 20
    uv run --group bench python benchmarks/history.py --place PLACE --weeks 100 --repeats 3
    uv run --group bench python benchmarks/history.py --place PLACE --weeks 653

Every variant is a process of its own (`usual`: one a week). They take turns within each
repeat, because machines are noisy. The input is synthetic text of full-size weeks, made once
in PLACE and read through before each variant. Afterwards the tables of one week are compared:
the floors must hold what the project's lake holds. Prints a table and writes
`benchmarks/results/history-<weeks>.json`; asserts nothing about times. Peaks of memory below
45 MB are this script's own, which the system counts as its children's before they start.

All weeks need about 14 GB for text and 8 GB for one lake at a time. With `--stream-block 50`
text of 50 weeks is made, built by each variant and deleted, block after block: each variant
then starts afresh once a block, and its costs are added up.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import delivered
import measuring
import report
from report import Run
from variants import FLOORS, SPINE, TABLES, VARIANTS, Variant

RESULTS = Path(__file__).with_name("results")
# Measured on full-size weeks: text 108 bytes a row, a lake 60; and room for Dagster's events.
_TEXT_BYTES, _LAKE_BYTES = 110, 80
# The week that is kept of a variant's tables is compared after all runs.
_KEPT, _TEXT_LOG = "kept", "text.log"


@dataclass(frozen=True)
class Plan:
    """What was asked for; `block` is the number of weeks whose text stands at a time."""

    place: Path
    weeks: int
    rows: int
    repeats: int
    block: int
    keep: bool
    results: Path
    variants: list[Variant]

    @property
    def in_blocks(self) -> bool:
        """Whether text is deleted as soon as it is built."""
        return self.block < self.weeks


class Bench:
    """The runs of all variants, as they come."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.runs: dict[str, list[list[Run]]] = {
            variant.name: [[] for _ in range(plan.repeats)] for variant in plan.variants
        }
        self.weeks: list[date] = []
        self.text: list[measuring.Cost] = []

    def measure(self) -> None:
        """Run every variant `repeats` times on every block, in turns."""
        for given in self._blocks():
            is_first = not self.weeks
            self.weeks += delivered.read_list(given)
            for repeat in range(self.plan.repeats):
                for variant in self.plan.variants:
                    if is_first or variant.most_weeks is None:
                        self.runs[variant.name][repeat].append(self._run(variant, given))

    def _blocks(self) -> Iterator[Path]:
        """Lists of weeks; their text stands while a list is used."""
        plan = self.plan
        folder = plan.place / (f"block-{plan.rows}" if plan.in_blocks else f"text-{plan.rows}")
        for skip in range(0, plan.weeks, plan.block):
            given = plan.place / f"weeks-{skip}.json"
            counts = {"weeks": plan.weeks, "rows": plan.rows, "skip": skip, "take": plan.block}
            self.text.append(self._deliver(folder, given, counts))
            if delivered.read_list(given):  # FINRA may not have published so many yet
                yield given
            if plan.in_blocks:
                shutil.rmtree(folder, ignore_errors=True)

    def _deliver(self, folder: Path, given: Path, counts: dict[str, int]) -> measuring.Cost:
        """Make text in a process of its own: memory held here would count as its children's."""
        words = [word for name, count in counts.items() for word in (f"--{name}", str(count))]
        command = [sys.executable, str(Path(delivered.__file__)), str(folder), str(given), *words]
        return measuring.run(command, self.plan.place / _TEXT_LOG, folder=self.plan.place)

    def _run(self, variant: Variant, given: Path) -> Run:
        """Run a variant in an empty folder, keep a week of its tables and delete the rest."""
        folder = self.plan.place / variant.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        mine = self._input(variant, given)
        weeks = delivered.read_list(mine)
        os.sync()  # else what others wrote is put to disk in this variant's time
        size, load = delivered.read_all(weeks), measuring.load_average()
        log = self.plan.place / f"{variant.name}.log"
        log.unlink(missing_ok=True)
        cost = measuring.together(
            measuring.run(step.command, log, folder=folder, settings=step.settings)
            for step in variant.steps(folder, mine)
        )
        tables = measuring.size_of(folder / variant.stores)
        text = measuring.size_of(folder / "data" / "landing")
        other = measuring.size_of(folder) - tables - text
        run = Run(cost, size, tables, other, load, report.week_seconds(log))
        if variant in (*FLOORS, SPINE):
            self._keep_week(variant, max(weeks))
        if not self.plan.keep:
            shutil.rmtree(folder)
        return run

    def _input(self, variant: Variant, given: Path) -> Path:
        """The list of weeks that a variant reads: all, the first few, or a smaller text."""
        mine = self.plan.place / f"weeks-{variant.name}.json"
        if variant.rows is not None:
            text = self.plan.place / f"text-{variant.rows}"
            self._deliver(text, mine, {"weeks": 1, "rows": variant.rows})
            return mine
        if variant.most_weeks is None:
            return given
        weeks = list(delivered.read_list(given).items())[: variant.most_weeks]
        return delivered.write_list(mine, dict(weeks))

    def _keep_week(self, variant: Variant, week: date) -> None:
        kept = self.plan.place / _KEPT / variant.name
        shutil.rmtree(kept, ignore_errors=True)
        for table in TABLES:
            part = Path(table) / f"week_ending={week}"
            lake = self.plan.place / variant.name / variant.stores
            shutil.copytree(lake / part, kept / part)

    def differences(self) -> dict[str, list[str]]:
        """What each floor's tables of the last week differ in from the project's."""
        from same_tables import differences

        kept = self.plan.place / _KEPT
        floors = [floor for floor in FLOORS if floor in self.plan.variants]
        if SPINE not in self.plan.variants:
            return {}
        week, project = self.weeks[-1], kept / SPINE.name
        return {
            floor.name: differences(kept / floor.name, project, week, floor.other_columns)
            for floor in floors
        }

    def told(self) -> dict[str, Any]:
        """All that was measured, for JSON."""
        runs = {name: [report.joined(turn) for turn in turns] for name, turns in self.runs.items()}
        return {
            "machine": measuring.machine(),
            "weeks": len(self.weeks),
            "first_week": str(self.weeks[0]),
            "last_week": str(self.weeks[-1]),
            "rows_per_week": self.plan.rows,
            "repeats": self.plan.repeats,
            "stream_block": self.plan.block if self.plan.in_blocks else None,
            "text_seconds": round(measuring.together(self.text).wall_seconds, 1),
            "differences": self.differences(),
            "times_the_floor": report.times_the_floor(runs),
            "variants": [report.summary(v, runs[v.name]) for v in self.plan.variants],
        }


def main() -> None:
    """Measure, print and write."""
    plan = _plan()
    measuring.require_own(plan.place, _TEXT_LOG)
    _require_room(plan)
    measuring.store_bytecode()
    bench = Bench(plan)
    bench.measure()
    told = bench.told()
    plan.results.mkdir(parents=True, exist_ok=True)
    target = plan.results / f"history-{told['weeks']}.json"
    target.write_text(json.dumps(told, indent=1) + "\n")
    report.show(told)
    if any(told["differences"].values()):
        raise SystemExit("a floor's tables are not the project's: its times say nothing")


def _plan() -> Plan:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--place", type=Path, required=True, help="folder of its own")
    parser.add_argument("--weeks", type=int, default=20, help="the newest that are complete")
    parser.add_argument("--rows", type=int, default=190_000, help="ATS rows a week")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--stream-block", type=int, help="make and delete so many weeks at a time")
    parser.add_argument("--keep", action="store_true", help="keep what the variants wrote")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the JSON")
    names = [variant.name for variant in VARIANTS]
    parser.add_argument("--variants", nargs="+", choices=names, default=names)
    chosen = parser.parse_args()
    return Plan(
        place=chosen.place.absolute(),
        weeks=chosen.weeks,
        rows=chosen.rows,
        repeats=chosen.repeats,
        block=min(chosen.stream_block or chosen.weeks, chosen.weeks),
        keep=chosen.keep,
        results=chosen.results,
        variants=[variant for variant in VARIANTS if variant.name in chosen.variants],
    )


def _require_room(plan: Plan) -> None:
    """Stop before anything is made that the disk cannot hold."""
    rows, lakes = plan.block * plan.rows, len(plan.variants) if plan.keep else 1
    text = rows * _TEXT_BYTES - measuring.size_of(plan.place / f"text-{plan.rows}")
    needed = max(text, 0) + rows * _LAKE_BYTES * lakes
    free = shutil.disk_usage(plan.place).free
    if needed > free:
        raise SystemExit(
            f"{plan.block} weeks need about {needed / 1e9:.0f} GB and {free / 1e9:.0f} GB are free "
            f"in {plan.place}: choose another place, fewer weeks or --stream-block"
        )


if __name__ == "__main__":
    main()
