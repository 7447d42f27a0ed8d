"""The page of commands names every command, and what it shows can be typed."""

from __future__ import annotations

import re

import click
import pytest

from spine_assets.cli import main
from spine_assets_tests.project.test_docs import ROOT, commands, resolved

PAGE = (ROOT / "docs/commands.md").read_text("utf-8")
SILENT = {"spine shell", "spine completion", "spine ui"}
"""Commands without output that a program could read."""


def shown() -> list[str]:
    """Command lines of the page."""
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGE, re.M | re.S)
    return [row for block in blocks for row in block.splitlines() if row.startswith("spine ")]


@pytest.mark.parametrize("command", commands(main))
def test_every_command_is_named_and_prints_json(command: str) -> None:
    assert f"`{command}`" in PAGE
    found = resolved(command)
    assert found is not None
    options = {text for item in found[0].params for text in item.opts}
    assert ("--json" in options) == (command not in SILENT)


def test_every_line_shown_can_be_read_by_its_command() -> None:
    read = 0
    for row in shown():
        found = resolved(row.partition(" > ")[0])
        if found is not None:
            command, words = found
            context = click.Context(command, info_name=row)
            command.make_parser(context).parse_args(words)
            assert not context.args or isinstance(command, click.Group), row
            read += 1
    assert read >= 15


@pytest.mark.parametrize("command", commands(main))
def test_every_example_in_a_help_text_can_be_read_by_its_command(command: str) -> None:
    found = resolved(command)
    assert found is not None
    for row in re.findall(r"^ *(spine .*)$", found[0].help or "", re.M):
        example = resolved(row)
        assert example is not None
        assert example[0] is found[0]
        example[0].make_parser(click.Context(example[0])).parse_args(example[1])
