"""Listing commands imports none of them; a command is imported when it is named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from spine_assets.cli import ALIASES, COMMANDS, GROUPS, HINTS, main
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


def test_help_lists_every_command_once_in_four_groups_and_wraps_no_summary() -> None:
    told = CliRunner(env={"COLUMNS": "80"}).invoke(main, ["--help"]).output
    headings = [line.removesuffix(":") for line in told.splitlines() if line.endswith(":")]
    assert headings == ["Options", *GROUPS] == ["Options", "Ask", "Load", "Run", "Look after"]
    listed = told.split("\nAsk:\n")[1]
    lines = [line.split(maxsplit=1) for line in listed.splitlines() if line.startswith("  ")]
    assert lines == [[name, short] for name, (_, short) in COMMANDS.items()]


def groups(group: click.Group, *before: str) -> Iterator[list[str]]:
    """The words of each group below the first."""
    for name in group.commands:
        if isinstance(command := command_of(group, name), click.Group):
            yield [*before, name]
            yield from groups(command, *before, name)


@pytest.mark.parametrize("words", list(groups(main)), ids=" ".join)
def test_help_of_a_group_neither_cuts_nor_wraps_a_summary(words: list[str]) -> None:
    told = CliRunner(env={"COLUMNS": "80"}).invoke(main, [*words, "--help"]).output
    group = command_of(main, words[0])
    assert isinstance(group, click.Group)
    listed = told.split("\nCommands:\n")[1].splitlines()
    assert [line.split(maxsplit=1) for line in listed] == [
        [name, group.commands[name].get_short_help_str(1_000)] for name in sorted(group.commands)
    ]


@pytest.mark.parametrize("alias", ALIASES)
def test_another_name_of_a_command_works_and_is_not_listed(alias: str) -> None:
    told = CliRunner().invoke(main, [alias, "--help"])
    assert told.exit_code == 0
    assert told.output.startswith(f"Usage: spine {ALIASES[alias]} ".replace("spine", "main", 1))
    names = BashComplete(main, {}, "spine", "_X").get_completions([], alias)
    assert alias not in [item.value for item in names]
    completed = BashComplete(main, {}, "spine", "_X").get_completions([alias], "--he")
    assert [item.value for item in completed] == ["--help"]


@pytest.mark.parametrize("name", HINTS)
def test_a_name_that_is_no_command_says_what_to_type(name: str) -> None:
    told = CliRunner().invoke(main, [name])
    assert told.exit_code == 2
    assert HINTS[name] in told.stderr


def test_a_mistyped_command_or_other_name_suggests_the_nearest() -> None:
    for typed, meant in (("qeury", "query"), ("weekz", "weeks"), ("captrues", "captures")):
        told = CliRunner().invoke(main, [typed])
        assert told.exit_code == 2
        assert "Did you mean" in told.stderr
        assert f"'{meant}'" in told.stderr
