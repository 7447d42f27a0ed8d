"""A `spine` command that kills itself at each kind of event of its run, and what others then see.

    python -m spine_assets_tests.abuse.run_deaths FOLDER COMMAND...

The moments are: before a run is recorded, after that, and before and after the first event of each
kind that the run reports; of a second run, only events of the run as a whole. One process imports
everything once and forks a child per kill, as `steps` does. A line of JSON per kill goes to the
output.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

from spine_assets.cli import main as spine
from spine_assets.core.weeks import Tier, publication_day, weeks_between
from spine_assets.defs import scan_limits
from spine_assets.lake.local import LocalLake
from spine_assets.otc.delivery import scan
from spine_assets.otc.tables import raw
from spine_assets_tests.abuse.steps import in_child
from spine_assets_tests.support.projects import Project, laid_out

FIRST, LAST = date(2025, 10, 3), date(2025, 10, 17)
WEEKS = weeks_between(FIRST, LAST)
_SLOW_IMPORTS = (
    "pandera.polars",
    "pandera.backends.polars.builtin_checks",
    "spine_assets.cli.start_runs",
    "spine_assets.cli.render.backfill",
)
_MOST_MOMENTS = 200  # more than two runs have kinds of events
_RECORD = "the record"


class _Moments:
    """Kills this process at the n-th moment of its life, and writes down which that was."""

    def __init__(self, number: int, note: Path) -> None:
        self.left, self.note = number, note
        self.seen: set[str] = set()
        self.runs = 0

    def at(self, name: str) -> None:
        """A moment; only the first of its name counts in each run."""
        self.runs += name == f"before {_RECORD}"
        is_whole = name.endswith(_RECORD) or "PIPELINE" in name
        name = f"{name}, run {self.runs}"
        if name in self.seen or (self.runs > 1 and not is_whole):
            return
        self.seen.add(name)
        self.left -= 1
        if self.left == 0:
            self.note.write_text(name, "utf-8")
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """Make the record of a run, and each event of it, a moment."""
        self._around(SqlRunStorage, "add_run", lambda _: _RECORD)
        self._around(dg.DagsterInstance, "handle_new_event", _kind)

    def _around(self, owner: Any, name: str, named: Callable[[Any], str]) -> None:
        plain = getattr(owner, name)

        @functools.wraps(plain)
        def watched(this: Any, item: Any, **more: Any) -> Any:
            self.at(f"before {named(item)}")
            answer = plain(this, item, **more)
            self.at(f"after {named(item)}")
            return answer

        setattr(owner, name, watched)


def _kind(event: dg.EventLogEntry) -> str:
    found = event.dagster_event
    return found.event_type_value if found else "a log line"


def _die(root: Path, words: list[str], number: int, note: Path) -> None:
    """Run the command in a project, and die on the way unless it has fewer moments."""
    os.chdir(root)
    _Moments(number, note).watch()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        spine(words, standalone_mode=False)


def _judge(root: Path, note: Path, answer: Path) -> None:
    """What the sensor and the commands make of the dead run; written as JSON."""
    from spine_assets.defs.otc.landing_sensor import otc_landing
    from spine_assets.orchestration.history import open_instance

    os.chdir(root)
    with dg.DagsterInstance.from_config(str(root)) as instance:
        left = [run.status.value for run in instance.get_runs()]
        with dg.build_sensor_context(instance=instance, sensor_name="otc_landing") as context:
            result = otc_landing(context)
        assert isinstance(result, dg.SensorResult)
        asked = [request.partition_key for request in result.run_requests or []]
        runs = [run.status.value for run in instance.get_runs()]
    with open_instance(root) as instance:
        later = [run.status.value for run in instance.get_runs()]
    captured = LocalLake(root / "data" / "lake").weeks(raw.TABLE.name)
    found = {
        "moment": note.read_text("utf-8"),
        "left": left,
        "runs": runs,
        "later": later,
        "asked": asked,
        "captured": [str(week) for week in captured],
        "files": [path.name for path in (root / "data/dagster/executing").glob("*")],
    }
    answer.write_text(json.dumps(found), "utf-8")


def main(folder: Path, words: list[str]) -> None:
    """Kill the command at each moment; prints what was found at each."""
    for name in _SLOW_IMPORTS:
        importlib.import_module(name)
    publication_day(FIRST, Tier.OTC)  # loads the calendar
    template, note, answer = folder / "template", folder / "note.txt", folder / "answer.json"
    with laid_out(template):
        for week in WEEKS:
            Project(template).deliver(week, Tier.OTC)
    with pytest.MonkeyPatch.context() as patch:
        for name in [*os.environ]:
            if name.startswith("SPINE_") or name == "DAGSTER_HOME":
                patch.delenv(name)
        for module in (scan, scan_limits):  # the copied files are as young as the copy
            patch.setattr(module, "SETTLE_SECONDS", 0.0)
        for number in range(1, _MOST_MOMENTS):
            root = folder / f"killed-{number}"
            shutil.copytree(template, root)
            status = in_child(functools.partial(_die, root, words, number, note))
            if status == 0:
                return
            if status != -signal.SIGKILL or in_child(functools.partial(_judge, root, note, answer)):
                raise SystemExit(f"moment {number} ended with {status}, or was not judged")
            print(answer.read_text("utf-8"), flush=True)  # noqa: T201
            shutil.rmtree(root)
    raise SystemExit(f"the run has more than {_MOST_MOMENTS} moments")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
