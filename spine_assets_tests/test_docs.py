"""The documents say what is so: every asset, check, command and setting is named."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest

from spine_assets import dictionary
from spine_assets.cli import main
from spine_assets.otc.tables import TABLES
from spine_assets.settings import AlertSettings, FinraSettings, Settings
from spine_assets.table import Table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def commands(group: click.Group, before: str = "spine") -> list[str]:
    """Every command of the CLI, in full."""
    found = []
    for name, command in group.commands.items():
        full = f"{before} {name}"
        if not isinstance(command, click.Group) or command.invoke_without_command:
            found.append(full)
        if isinstance(command, click.Group):
            found += commands(command, full)
    return found


def test_the_data_dictionary_is_what_the_declarations_say() -> None:
    assert (ROOT / dictionary.PATH).read_text("utf-8") == dictionary.text() + "\n"


@pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])
def test_readme_names_every_table_and_the_dictionary_every_column_and_check(table: Table) -> None:
    page = (ROOT / dictionary.PATH).read_text("utf-8")
    assert f"`{table.name}`" in README
    section = page.split(f"## `{table.name}`")[1].split("\n## ")[0]
    for name in [*(c.name for c in table.columns), *(c.name for c in table.checks)]:
        assert f"| `{name}` |" in section


def test_changelog_names_every_command_and_readme_those_that_change_nothing_by_surprise() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    for command in commands(main):
        assert f"`{command.removeprefix('spine ')}`" in changes, command


def test_readme_names_every_setting() -> None:
    of = {"SPINE_": (Settings, AlertSettings), "SPINE_FINRA_": (FinraSettings,)}
    for prefix, kinds in of.items():
        for name in (name for kind in kinds for name in kind.model_fields):
            assert f"`{prefix}{name.upper()}`" in README


def test_every_make_target_shown_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    shown = {
        name for page in DOCUMENTS for name in re.findall(r"`?make ([a-z]+)`", page.read_text())
    }
    shown |= set(re.findall(r"^make ([a-z]+)$", README, re.M))
    assert {"demo", "test", "ui"} <= shown
    assert shown <= targets


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_no_relative_link_is_dead(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_make_help_lists_every_public_target() -> None:
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("demo", "test", "ui", "lint", "types", "check"):
        assert re.search(rf"^{target}\s+\S", told.stdout, re.M), target
