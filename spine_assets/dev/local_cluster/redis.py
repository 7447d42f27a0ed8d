"""A Redis server of its own on a free loopback port.

    with running() as server:
        url = server.url

It needs the program `redis-server` (Debian: `redis-server`), not a running service; tests ask
`missing()` and are skipped where it is not there. Belongs here: starting and stopping it.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from spine_assets.dev.local_cluster.processes import HOST, Children, free_port, wait_for

_START_SECONDS = 30.0  # it takes some hundredths; a machine under load much longer


@dataclass(frozen=True)
class Server:
    """A running server, which asks for its password."""

    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """Where its first database is, as Celery and Dagster read it."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def answers(self) -> bool:
        """Whether it does what it is asked."""
        try:
            with Redis.from_url(self.url, socket_timeout=1) as client:
                return bool(client.ping())
        except RedisError:
            return False


def missing() -> str | None:
    """Why no server can be started here; None where one can."""
    if shutil.which("redis-server") is None:
        return "needs the program redis-server: apt-get install redis-server"
    return None


@contextmanager
def running(log: Path | None = None) -> Iterator[Server]:
    """An empty server, gone with all it held when the block ends; nothing is written to disk.

    Args:
        log: Its log; None keeps none.

    Raises:
        CannotStart: it does not answer.
    """
    server = Server(free_port(), secrets.token_hex())
    with tempfile.TemporaryDirectory(prefix="spine-redis-") as name, Children() as children:
        root = Path(name)
        children.remove(root)
        config = root / "redis.conf"  # a password on the command line can be read by everyone
        config.write_text(
            f'bind {HOST}\nport {server.port}\nrequirepass {server.password}\ndir "{root}"\n'
            'save ""\nappendonly no\n'
        )
        child = children.start(
            "redis", ["redis-server", str(config)], log=log or root / "log", cwd=root
        )
        wait_for(child, server.answers, seconds=_START_SECONDS)
        yield server
