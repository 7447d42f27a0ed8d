"""The command that prints the script by which a shell completes `spine`."""

from __future__ import annotations

import click

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    r"""Print the script that lets SHELL complete commands, options, weeks, tables and captures.

    \b
    bash   echo 'eval "$(spine completion bash)"' >> ~/.bashrc
    zsh    echo 'eval "$(spine completion zsh)"' >> ~/.zshrc   (after compinit)
    fish   spine completion fish > ~/.config/fish/completions/spine.fish

    Then open a new shell. `spine` must be found there: activate .venv, or put .venv/bin on PATH.
    """
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    made = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    script = made(context.find_root().command, {}, "spine", "_SPINE_COMPLETE")
    click.echo(script.source(), nl=False)
