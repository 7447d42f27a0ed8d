"""Listing commands imports none of them; a command is imported when it is named."""

from __future__ import annotations

import subprocess
import sys

import pytest

from spine_assets.cli import COMMANDS, main
from spine_assets_tests.project.test_docs import command_of

_HEAVY = ("polars", "dagster", "duckdb", "pydantic", "rich")


def imported(code: str) -> list[str]:
    """Heavy modules that another process has imported after `code`; what it prints is dropped."""
    end = f"print('|', *(name for name in {_HEAVY} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\n{end}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.rpartition("|")[2].split()


def test_help_and_completion_of_command_names_import_no_command() -> None:
    help_text = (
        "from click.testing import CliRunner; from spine_assets.cli import main\n"
        "assert 'doctor' in CliRunner().invoke(main, ['--help']).output"
    )
    assert imported(help_text) == []
    names = (
        "from click.shell_completion import BashComplete; from spine_assets.cli import main\n"
        "found = BashComplete(main, {}, 'spine', '_X').get_completions([], 'do')\n"
        "assert [item.value for item in found] == ['doctor']"
    )
    assert imported(names) == []


def test_only_the_commands_about_runs_import_dagster_before_they_are_called() -> None:
    names = sorted(COMMANDS.keys() - {"runs"})
    code = (
        "import click; from spine_assets.cli import main\n"
        f"for name in {names}:\n"
        "    main.resolve_command(click.Context(main), [name])\n"
        "    assert 'dagster' not in sys.modules, name"
    )
    assert "polars" in imported(code)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_listed_help_is_the_commands_own(name: str) -> None:
    command = command_of(main, name)
    assert command.name == name
    assert command.get_short_help_str(1_000) == COMMANDS[name][1]
