"""The command that serves Dagster's UI."""

from __future__ import annotations

import socket

import click

from spine_assets.cli.errors import reports_errors
from spine_assets.core.settings import history_path

_TOKEN = "ui-token"  # noqa: S105 - a file name


@click.command()
@click.option("-h", "--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("-p", "--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
@click.option(
    "--allow-host", "names", multiple=True, metavar="NAME", help="Another name of it. Repeatable."
)
@click.option("--token", is_flag=True, help="Ask for this installation's token.")
@reports_errors
def ui(host: str, port: int, names: tuple[str, ...], token: bool) -> None:
    r"""Serve Dagster's UI with its daemon, behind a guard.

    \b
    spine ui
    spine ui --token
    spine ui -h 0.0.0.0 --allow-host spine.example

    It is `dagster dev`, and refuses what pages of other sites ask of your browser. Where other
    machines can reach it, the token is always asked for; nothing is encrypted.
    """
    from spine_assets.orchestration.web.serve import (  # noqa: PLC0415 - Dagster, late
        is_loopback,
        serve,
        token_of,
    )

    if _is_taken(host, port):
        raise click.ClickException(f"port {port} of {host} is taken; choose another: -p 3001")
    asked = token_of(history_path() / _TOKEN) if token or not is_loopback(host) else None
    shown = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - compared, not listened on
    place = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"
    click.echo(f"Open {place}{'' if asked is None else f'?token={asked}'}")
    serve(host, port, [host, *names], asked)


def _is_taken(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False
