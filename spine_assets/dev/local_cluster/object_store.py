"""An S3 server on a free loopback port, with one bucket, in memory.

It is moto's (`moto[server]`), for tests and trials only. Belongs here: starting and stopping it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spine_assets.dev.local_cluster.processes import HOST, Children, free_port, listens, wait_for
from spine_assets.outbound.client import client

BUCKET = "spine"
_START_SECONDS = 60.0  # it imports for about two


@dataclass(frozen=True)
class ObjectStore:
    """A running server."""

    port: int

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://{HOST}:{self.port}"

    def environment(self) -> dict[str, str]:
        """The standard variables by which a program finds it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": "us-east-1",
        }


def missing() -> str | None:
    """The reason why no server can be started here; None if one can."""
    wanted = ("moto", "flask", "flask_cors")
    if any(importlib.util.find_spec(name) is None for name in wanted):
        return "needs moto's server: install moto[server]"
    return None


@contextmanager
def running(log: Path) -> Iterator[ObjectStore]:
    """Run a server with the empty bucket `BUCKET`.

    Raises:
        CannotStart: it does not answer.
    """
    server = ObjectStore(free_port())
    with Children() as children:
        command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(server.port)]
        child = children.start("s3", command, log=log)
        wait_for(child, lambda: listens(server.port), seconds=_START_SECONDS)
        with client(_START_SECONDS) as session:
            session.put(f"{server.url}/{BUCKET}").raise_for_status()
        yield server
