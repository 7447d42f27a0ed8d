"""Whether Dagster can load the code location, tried in a process of its own.

Whatever a broken module does (fail, print, end the process) it does there, and Dagster's own
processes load it the same way: by name, with the project's folder first on the path.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spine_assets.maintenance.doctor.diagnosis import Diagnosis, fail, ok

MODULE = "spine_assets.definitions"
_LOAD = f"""
from spine_assets.pipelines.yaml.loader import declared
declared()  # first, as it names file and line of what is wrong in one line
import dagster as dg
from {MODULE} import defs
found = defs()
dg.Definitions.validate_loadable(found)
assets = found.resolve_asset_graph().get_all_asset_keys()
print(f"{{len(assets)}} assets, {{len(list(found.sensors or ()))}} sensors, "
      f"{{len(list(found.schedules or ()))}} schedules")
"""
_LONGEST_SECONDS = 60  # it takes some; one that hangs would hang Dagster too
_SHOWN_LINES = 3  # the end of a traceback names the error


@dataclass(frozen=True)
class Loading:
    """A code location that is being loaded."""

    process: subprocess.Popen[str]

    def diagnosis(self) -> Diagnosis:
        """Wait until it has loaded."""
        mend = (
            "dagster definitions validate shows the whole error, spine pipelines check that of YAML"
        )
        try:
            out, err = self.process.communicate(timeout=_LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            return fail(f"{MODULE} does not load within {_LONGEST_SECONDS} s", mend)
        if self.process.returncode:
            lines = [line.strip() for line in err.splitlines() if line.strip()][-_SHOWN_LINES:]
            return fail(f"{MODULE} does not load: {' / '.join(lines)}", mend)
        return ok(f"{MODULE} loads: {out.strip()}")


@contextmanager
def loading(root: Path) -> Iterator[Loading]:
    """Begin to load; the process has ended when the block ends."""
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", _LOAD],
        cwd=root,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},  # examinations change nothing
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        yield Loading(process)
    finally:
        process.kill()
        process.communicate()
