"""The marimo notebook, run in a process of its own.

Belongs here: running it over a data folder, and what it then holds and shows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "explore.py"
_REPORT = """
import importlib.util, json, sys

spec = importlib.util.spec_from_file_location("explore", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
outputs, defs = module.app.run()
frames = ("market", "symbol_weeks", "venue_weeks", "week_venues", "symbol_venues")
charts = ("symbol_chart", "venue_chart", "week_chart")
print(json.dumps({
    "week": str(defs.get("week")),
    "rows": {n: json.loads(defs[n].write_json()) for n in frames if n in defs},
    "charts": {n: defs[n].to_dict() for n in charts if n in defs},
    "texts": [item.text for item in outputs if hasattr(item, "text")],
}))
"""
_SECONDS = 600  # it takes about five; a machine under load many times that


def run(folder: Path, *words: str) -> str:
    """Run Python over a data folder; what it printed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SPINE_")}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=env | {"SPINE_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def reported(folder: Path) -> Any:
    """What the notebook holds and shows after a run over a data folder."""
    return json.loads(run(folder, "-c", _REPORT, str(NOTEBOOK)).splitlines()[-1])
