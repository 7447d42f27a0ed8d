"""The benchmarks that compare whole processes still run, and compare what is the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# All but the one that needs a package of the group `bench`.
VARIANTS = ("polars-1", "polars-2", "duckdb-1", "duckdb-2", "spine", "rows")


@pytest.mark.long
def test_the_bare_scripts_write_the_tables_of_the_project(tmp_path: Path) -> None:
    counts = ("--weeks", "2", "--rows", "400")
    command = [sys.executable, str(BENCHMARKS / "history.py"), "--place", str(tmp_path / "place")]
    command += [*counts, "--results", str(tmp_path), "--variants", *VARIANTS]
    subprocess.run(command, check=True)
    told = json.loads((tmp_path / "history-2.json").read_text())
    floors: dict[str, list[str]] = {
        name: [] for name in VARIANTS if name.startswith(("polars", "duckdb"))
    }
    assert told["differences"] == floors
    assert [row["variant"] for row in told["variants"]] == list(VARIANTS)
    assert len({row["rows"] for row in told["variants"] if row["variant"] != "rows"}) == 1
    assert not (tmp_path / "place" / "spine").exists()
