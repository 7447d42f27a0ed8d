"""A PostgreSQL server on a free loopback port, for Dagster's storage.

    with running() as server:
        url = server.database("dagster")

It needs PostgreSQL's programs (Debian: `postgresql`), not a running service; tests are skipped
where `missing()` names a reason. PostgreSQL refuses to run as root, so root runs it as the user
`postgres` of the package. Belongs here: starting and stopping it, and databases in it. Does not
belong here: Dagster.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from spine_assets.dev.local_cluster.processes import (
    HOST,
    CannotStart,
    Children,
    free_port,
    wait_for,
)

_DEBIAN = Path("/usr/lib/postgresql")  # Debian keeps the server's programs out of PATH
_USER = "postgres"
_START_SECONDS = 60.0  # a start takes about 1 s, several times that on a loaded machine


@dataclass(frozen=True)
class PostgresServer:
    """A running server.

    Attributes:
        programs: The folder of its programs.
        password: Of the user `postgres`, the only account.
    """

    programs: Path
    port: int
    password: str = field(repr=False)

    def database(self, name: str) -> str:
        """Create an empty database; returns its URL for SQLAlchemy and Dagster."""
        place = ("-h", HOST, "-p", str(self.port), "-U", _USER)
        env = {**os.environ, "PGPASSWORD": self.password}
        subprocess.run([str(self.programs / "createdb"), *place, name], check=True, env=env)
        return f"postgresql+psycopg2://{_USER}:{self.password}@{HOST}:{self.port}/{name}"

    def answers(self) -> bool:
        """Whether it takes connections."""
        program = str(self.programs / "pg_isready")
        command = [program, "-q", "-h", HOST, "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0


def missing() -> str | None:
    """The reason why no server can be started here; None if one can."""
    if _programs() is None:
        return "needs PostgreSQL's programs: apt-get install postgresql"
    if _user() and _USER not in {known.pw_name for known in pwd.getpwall()}:
        return f"PostgreSQL does not run as root, and there is no user {_USER} to run it as"
    return None


@contextmanager
def running(log: Path | None = None, *, durable: bool = False) -> Iterator[PostgresServer]:
    """Run a server without databases; it and its files are removed when the block ends.

    Its folder is in the system's temporary folder, because pytest's are closed to other users.

    Args:
        log: Its log file; None keeps no log.
        durable: Each commit waits for the disk, as on a production server.

    Raises:
        CannotStart: it does not answer.
    """
    programs = _programs()
    if programs is None:
        raise CannotStart(missing())
    with tempfile.TemporaryDirectory(prefix="spine-postgres-") as name, Children() as children:
        root = Path(name)
        children.remove(root)
        if _user() is not None:
            shutil.chown(root, _USER)
        server = PostgresServer(programs, free_port(), secrets.token_hex())
        _make_cluster(root, server)
        settings = {
            "port": str(server.port),
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "fsync": "on" if durable else "off",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        child = children.start(
            "postgres",
            [str(programs / "postgres"), "-D", str(root / "data"), *words],
            log=log or root / "log",
            cwd=root,
            user=_user(),
            stop_with=signal.SIGINT,  # ends without waiting for its clients
        )
        wait_for(child, server.answers, seconds=_START_SECONDS)
        yield server


def _make_cluster(root: Path, server: PostgresServer) -> None:
    password = root / "password"
    password.write_text(server.password)
    if _user() is not None:
        shutil.chown(password, _USER)
    words = ("-D", str(root / "data"), "-U", _USER, f"--pwfile={password}")
    options = ("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync")
    subprocess.run(
        [str(server.programs / "initdb"), *words, *options],
        check=True,
        user=_user(),
        group=_user(),
        extra_groups=[] if _user() else None,
        cwd=root,
        stdout=subprocess.DEVNULL,
    )


def _programs() -> Path | None:
    """The folder of the newest server's programs."""
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    newest = sorted(_DEBIAN.glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    return newest[-1].parent if newest else None


def _user() -> str | None:
    """The user to run the server as; None for this process's own."""
    return _USER if os.geteuid() == 0 else None
