"""A Redis server on a free loopback port.

    with running() as server:
        url = server.url

It needs the program `redis-server` (Debian: `redis-server`), not a running service; tests are
skipped where `missing()` names a reason. Belongs here: starting and stopping it.
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

_START_SECONDS = 30.0  # a start takes some hundredths of a second, more on a loaded machine


@dataclass(frozen=True)
class RedisServer:
    """A running server, which requires its password."""

    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """URL of its first database, for Celery and Dagster."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def answers(self) -> bool:
        """Whether it answers a ping with this password."""
        try:
            with Redis.from_url(self.url, socket_timeout=1) as client:
                return bool(client.ping())
        except RedisError:
            return False


def missing() -> str | None:
    """The reason why no server can be started here; None if one can."""
    if shutil.which("redis-server") is None:
        return "needs the program redis-server: apt-get install redis-server"
    return None


@contextmanager
def running(log: Path | None = None) -> Iterator[RedisServer]:
    """Run an empty server until the block ends; its data is in memory only.

    Args:
        log: Its log file; None keeps no log.

    Raises:
        CannotStart: it does not answer.
    """
    server = RedisServer(free_port(), secrets.token_hex())
    with tempfile.TemporaryDirectory(prefix="spine-redis-") as name, Children() as children:
        root = Path(name)
        children.remove(root)
        config = root / "redis.conf"  # other users could read a password on the command line
        config.write_text(
            f'bind {HOST}\nport {server.port}\nrequirepass {server.password}\ndir "{root}"\n'
            'save ""\nappendonly no\n'
        )
        child = children.start(
            "redis", ["redis-server", str(config)], log=log or root / "log", cwd=root
        )
        wait_for(child, server.answers, seconds=_START_SECONDS)
        yield server
