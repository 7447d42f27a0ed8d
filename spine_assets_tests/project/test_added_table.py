"""A table that is added as CONTRIBUTING says is found everywhere, and no other code is touched.

In a copy of the project: the module is written as the page shows it, named in the registry, and
then real commands are run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from spine_assets_tests.conftest import WEEK, delivered, line
from spine_assets_tests.support.project_copy import SOURCE, copy_code
from spine_assets_tests.support.shown import blocks

NAME = "otc_tier_total"
WRITTEN = "spine_assets/otc/tables/tier_total.py"
LISTED = "spine_assets/otc/tables/registry.py"
LAST = "restatements"  # of the registry's list
DICTIONARY = "docs/data-dictionary.md"
_SECONDS = 300  # a command takes 3 to 6; a machine under load many times that


@dataclass(frozen=True)
class Copy:
    """A copy of the project with one week delivered and built."""

    root: Path

    def run(self, *command: str) -> str:
        """What a command of the environment prints; it must succeed."""
        program = Path(sys.executable).with_name(command[0])
        outside = {k: v for k, v in os.environ.items() if not k.startswith(("SPINE_", "DAGSTER"))}
        done = subprocess.run(
            [str(program), *command[1:]],
            cwd=self.root,
            env={**outside, "PYTHONPATH": str(self.root), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def state(self) -> str:
        """The state of the new table's week."""
        (week,) = json.loads(self.run("spine", "status", "--json"))["weeks"]
        found: str = week["tables"][NAME]["lake"]
        return found

    def planned(self, pipeline: str) -> list[str]:
        """The weeks that a pipeline would build, with no week named."""
        printed = self.run("spine", "run", pipeline, "--dry-run", "--json")
        return [run["first_week"] for run in json.loads(printed)["runs"]]

    def files(self) -> dict[str, bytes]:
        """Code and pages."""
        found = [*self.root.glob("spine_assets/**/*.*"), *self.root.glob("docs/*.md")]
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in found
            if path.is_file() and path.suffix != ".pyc"
        }

    def replace(self, name: str, old: str, new: str) -> None:
        """Edit one place of a file."""
        path = self.root / name
        text = path.read_text("utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), "utf-8")


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    root = tmp_path / "project"
    root.mkdir()
    for name in ("pyproject.toml", "dagster.yaml", "workspace.yaml"):
        shutil.copy(SOURCE / name, root)
    copy_code(root)
    shutil.copytree(SOURCE / "docs", root / "docs")
    landing = root / "data" / "landing"
    landing.mkdir(parents=True)
    (landing / "otc.csv").write_bytes(
        delivered(line(), line(mpid="OTCN", shares="250", trades="5"))
    )
    made = Copy(root)
    made.run("spine", "backfill", str(WEEK))
    return made


@pytest.mark.long
def test_a_table_added_as_contributing_says_is_found_everywhere(copy: Copy) -> None:
    # The steps of the page: the module, its line in the registry, the generated pages.
    before = copy.files()
    (module,) = (
        block.text
        for block in blocks("python")
        if block.page.name == "CONTRIBUTING.md" and f'name="{NAME}"' in block.text
    )
    (copy.root / WRITTEN).write_text(module, "utf-8")
    copy.replace(LISTED, f"    {LAST},\n)\n", f"    {LAST},\n    tier_total,\n)\n")
    imported = "from spine_assets.otc.tables import (\n"
    copy.replace(LISTED, imported, f"{imported}    tier_total,\n")
    copy.run("python", "-m", "spine_assets.dev.docs_pages")
    after = copy.files()
    touched = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert touched == {WRITTEN, LISTED, DICTIONARY, "docs/checks.md"}
    assert f"`{NAME}`" in (copy.root / DICTIONARY).read_text("utf-8")

    # The job of its stage builds it.
    assert copy.planned("otc.summarize") == [str(WEEK)]
    copy.run("spine", "run", "otc.summarize")
    assert copy.state() == "fresh"

    # Its week is stale after another code version, and is built by compute_otc_metrics.
    copy.replace(WRITTEN, 'code_version="1"', 'code_version="2"')
    assert copy.state() == "stale"
    assert copy.planned("otc.summarize") == [str(WEEK)]
    assert copy.planned("compute_otc_metrics") == [str(WEEK)]
    copy.run("spine", "run", "compute_otc_metrics")
    assert copy.planned("compute_otc_metrics") == []

    exported = copy.run("spine", "export", "--table", NAME, "--week", str(WEEK))
    assert exported.splitlines()[1].startswith(f"{WEEK},OTC,350,7,")
    found = copy.run("spine", "anomalies", "--table", NAME, "--week", str(WEEK), "--json")
    assert json.loads(found) == {"anomalies": [], "more": 0}
    copy.run("spine", "db", "build", "otc.duckdb")
    for file in ("otc.duckdb", "data/spine.duckdb"):
        with duckdb.connect(str(copy.root / file), read_only=True) as connection:
            rows = connection.execute(f"SELECT tier, total_volume, total_trades FROM {NAME}")
            assert rows.fetchall() == [("OTC", Decimal(350), 7)]
