"""The command that opens Python with everything at hand."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from spine_assets.cli.shared import told

if TYPE_CHECKING:
    from spine_assets.shell import Namespace

_CODE = "<spine shell -c>"


@click.command()
@click.option("-c", "code", metavar="CODE", help="Run this Python code and end.")
@told
def shell(code: str | None) -> None:
    r"""Open Python with the lake, DuckDB, settings and Dagster at hand.

    \b
    spine shell
    spine shell -c "print(sql('SELECT count(*) FROM otc_raw'))"

    IPython is used where it is installed. Exit code 1: the code of -c raised an exception.
    """
    from spine_assets.shell import opened

    done = True
    with opened() as namespace:
        if code is not None:
            done = _run(code, namespace)
        else:
            _interact(namespace)
    if not done:
        raise click.exceptions.Exit(1)


def _run(code: str, namespace: Namespace) -> bool:
    """Run code; its exception is shown as Python shows one. Whether there was none."""
    import traceback

    try:
        exec(compile(code, _CODE, "exec"), namespace)  # noqa: S102 - what was asked for
    except Exception as error:  # whatever the person's own code raises
        frames = traceback.TracebackException.from_exception(error)
        while frames.stack and frames.stack[0].filename != _CODE:
            del frames.stack[0]  # how this command came to run it
        click.echo("".join(frames.format()), nl=False, err=True)
        return False
    return True


def _interact(namespace: Namespace) -> None:
    """Answer a person, or read what is piped in."""
    from spine_assets.shell import AT_HAND

    lines = [f"  {name:18} {what}" for name, what in AT_HAND.items()]
    banner = "\n".join(["spine shell; at hand are", *lines])
    if sys.stdin.isatty():
        try:
            from IPython import start_ipython  # type: ignore[import-not-found]
        except ImportError:
            _complete_with_readline(namespace)
        else:
            click.echo(banner)
            start_ipython(argv=["--no-banner"], user_ns=namespace)
            return
    from code import interact

    interact(banner=banner, local=namespace, exitmsg="")


def _complete_with_readline(namespace: Namespace) -> None:
    """Complete names with the tabulator, where this Python has readline."""
    try:
        import readline
        import rlcompleter
    except ImportError:
        return
    readline.set_completer(rlcompleter.Completer(namespace).complete)
    readline.parse_and_bind("tab: complete")
