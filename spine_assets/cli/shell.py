"""The command that opens Python with the project's objects."""

from __future__ import annotations

import sys
import traceback
from code import interact
from typing import Any

import click
import polars as pl

from spine_assets.cli.errors import note_synthetic, reports_errors
from spine_assets.cli.shell_namespace import AT_HAND, Namespace, opened

_CODE = "<spine shell -c>"
# Frames are printed with all columns, floats as they are, and no number cut or wrapped.
_FRAMES: dict[str, Any] = {
    "tbl_cols": -1,
    "tbl_rows": 40,
    "tbl_width_chars": -1,
    "fmt_str_lengths": 100,
    "fmt_float": "full",
}


@click.command()
@click.option("-c", "code", metavar="CODE", help="Run this Python code and end.")
@reports_errors
def shell(code: str | None) -> None:
    r"""Open Python with the lake, DuckDB, settings and Dagster at hand.

    \b
    spine shell
    spine shell -c "print(sql('SELECT count(*) FROM otc_raw'))"

    IPython is used if it is installed. Exit code 1: the code of -c raised an exception.
    """
    done = True
    with opened() as namespace, pl.Config(**_FRAMES):
        note_synthetic(namespace["lake"])
        if code is not None:
            done = _run(code, namespace)
        else:
            _interact(namespace)
    if not done:
        raise click.exceptions.Exit(1)


def _run(code: str, namespace: Namespace) -> bool:
    """Run code and print its exception as Python does; return whether there was none."""
    try:
        exec(compile(code, _CODE, "exec"), namespace)  # noqa: S102 - the purpose of -c
    except Exception as error:  # whatever the user's code raises
        frames = traceback.TracebackException.from_exception(error)
        while frames.stack and frames.stack[0].filename != _CODE:
            del frames.stack[0]  # frames of this command
        click.echo("".join(frames.format()), nl=False, err=True)
        return False
    return True


def _interact(namespace: Namespace) -> None:
    """Start a prompt, or run what is piped in."""
    lines = [f"  {name:18} {what}" for name, what in AT_HAND.items()]
    banner = "\n".join(["spine shell; at hand are", *lines])
    if sys.stdin.isatty():
        try:
            from IPython import (  # type: ignore[import-not-found]  # noqa: PLC0415 - optional
                start_ipython,
            )
        except ImportError:
            _complete_with_readline(namespace)
        else:
            click.echo(banner)
            start_ipython(argv=["--no-banner"], user_ns=namespace)
            return

    interact(banner=banner, local=namespace, exitmsg="")


def _complete_with_readline(namespace: Namespace) -> None:
    """Complete names with the tab key, if this Python has readline."""
    try:
        import readline  # noqa: PLC0415 - optional, and changes the terminal
        import rlcompleter  # noqa: PLC0415 - imports readline
    except ImportError:
        return
    readline.set_completer(rlcompleter.Completer(namespace).complete)
    readline.parse_and_bind("tab: complete")
