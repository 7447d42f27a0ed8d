"""The command that prints the completion script of a shell."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

_SHELLS = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    r"""Print the script by which SHELL completes command lines.

    \b
    bash   echo 'eval "$(spine completion bash)"' >> ~/.bashrc
    zsh    echo 'eval "$(spine completion zsh)"' >> ~/.zshrc   (after compinit)
    fish   spine completion fish > ~/.config/fish/completions/spine.fish

    It completes commands, options, weeks, tables and captures. Then open a new shell, in which
    `spine` must be on PATH: activate .venv, or add .venv/bin.
    """
    script = _SHELLS[shell](context.find_root().command, {}, "spine", "_SPINE_COMPLETE")
    click.echo(script.source(), nl=False)
