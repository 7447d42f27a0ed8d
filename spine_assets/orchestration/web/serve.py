"""`dagster dev` with a guard before its web server.

Belongs here: starting it, and the token of an installation. Does not belong here: which requests
are refused (`web.guard`).
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from spine_assets.lake import atomic_write
from spine_assets.orchestration.dagster_private import dev
from spine_assets.orchestration.web import webserver

_DAGSTERS, _START = "dagster_webserver", "open_ipc_subprocess"  # its module, what starts it
_OWN_EYES = 0o600
_LEAST_CHARS = 32  # of a token; ours have 43


def is_loopback(host: str) -> bool:
    """Whether a server that listens there is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def token_of(path: Path) -> str:
    """The token of an installation, which is made if there is none; delete the file for another.

    Raises:
        OSError: the file cannot be read or written, or others may have written it.
    """
    if path.exists():
        found, about = path.read_text("utf-8", "replace").strip(), path.stat()
        is_own = about.st_uid == os.getuid() and not about.st_mode & 0o077
        if not is_own or len(found) < _LEAST_CHARS or not found.isprintable():
            raise PermissionError(
                f"{path} is no token that you alone can read: remove it, and another one is made"
            )
        return found
    token = secrets.token_urlsafe(32)
    with atomic_write.replacing(path) as staged:
        staged.touch(_OWN_EYES)
        staged.write_text(f"{token}\n", "ascii")
    return token


def serve(host: str, port: int, hosts: Sequence[str], token: str | None) -> NoReturn:
    """Become a process that serves the UI and runs the daemon until Ctrl-C.

    Args:
        host: Where to listen.
        port: Its port.
        hosts: Other names by which the server is asked.
        token: What each request must have, or None.
    """
    told = {webserver.HOSTS: ",".join(hosts), webserver.TOKEN: token or ""}
    command = [sys.executable, "-m", __name__, "-h", host, "-p", str(port)]
    os.execve(sys.executable, command, {**os.environ, **told})  # noqa: S606 - no shell is wanted


def main() -> None:
    """`dagster dev`, which starts our web server instead of its own."""
    names = vars(dev)
    start = names[_START]

    def started(command: Sequence[str], **options: Any) -> Any:
        ours = [webserver.__name__ if part == _DAGSTERS else part for part in command]
        return start(ours, **options)

    names[_START] = started
    dev.dev_command.main()


if __name__ == "__main__":
    main()
