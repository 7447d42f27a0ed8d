"""A click group that imports a command's module when the command runs, not when it is listed.

Click's documentation describes the pattern as "lazily loading subcommands". Its recipe imports
every command for `--help`, to print the short help; here a group is given the short help beside
the import path, so that help, completion of command names and "did you mean" import nothing.

Belongs here: how a command is found and loaded. Does not belong here: which commands there are.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group whose commands are import paths until one of them is resolved.

    Attributes:
        aliases: Other names of commands, which help and completion do not list.
        hints: For names that are none, what to type instead.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.aliases: dict[str, str] = {}
        self.hints: dict[str, str] = {}
        self._paths: dict[str, str] = {}
        self._short_helps: dict[str, str] = {}
        self._sections: dict[str, list[str]] = {}

    def add_lazy(self, name: str, path: str, short_help: str, section: str) -> None:
        """List a command by its short help in a section; `path` is `module:attribute`."""
        self.add_command(click.Command(name, short_help=short_help))
        self._paths[name], self._short_helps[name] = path, short_help
        self._sections.setdefault(section, []).append(name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by sections, in the order in which they were added."""
        widest = max(map(len, self.commands))
        for section, names in self._sections.items():
            lines = [(name.ljust(widest), self._short_helps[name]) for name in names]
            with formatter.section(section):
                formatter.write_dl(lines)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name, and import it if that is still to be done."""
        given, *rest = args
        try:
            name, command, rest = super().resolve_command(
                ctx, [self.aliases.get(given, given), *rest]
            )
        except click.NoSuchCommand as error:
            if hint := self.hints.get(given):
                raise click.UsageError(f"{error.message} {hint}", ctx) from None
            known = [*self.commands, *self.aliases, *self.hints]
            raise click.NoSuchCommand(given, possibilities=known, ctx=ctx) from None
        if name in self._paths:
            module, _, attribute = self._paths.pop(name).partition(":")
            command = self.commands[name] = getattr(import_module(module), attribute)
            _keep_examples(command)
        return name, command, rest


def _keep_examples(command: click.Command) -> None:
    r"""Keep the line breaks of examples in a help text.

    Click keeps the lines of a paragraph that begins with a backspace. A raw docstring, which the
    linter demands, has the two characters `\b` instead.
    """
    command.help = (command.help or "").replace("\\b", "\b")
    for child in command.commands.values() if isinstance(command, click.Group) else ():
        _keep_examples(child)
