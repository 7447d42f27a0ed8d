"""A PostgreSQL server of its own on a free loopback port, for Dagster's storage.

    with running() as server:
        url = server.database("dagster")

It needs PostgreSQL's programs (Debian: `postgresql`), not a running service; tests ask
`missing()` and are skipped where they are not there. The server refuses to run as root, so there
it runs as the user `postgres` that the package makes. Belongs here: starting and stopping it, and
databases in it. Does not belong here: Dagster.
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
    Child,
    Children,
    free_port,
    wait_for,
)

_DEBIAN = Path("/usr/lib/postgresql")  # Debian keeps the server's programs out of PATH
_USER = "postgres"
_START_SECONDS = 60.0  # it takes about one; a machine under load some times that


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        programs: The folder of its programs.
        password: Of the user `postgres`; nobody else has an account.
    """

    programs: Path
    port: int
    password: str = field(repr=False)

    def url(self, database: str = _USER) -> str:
        """Where a database is, as SQLAlchemy and Dagster read it."""
        return f"postgresql+psycopg2://{_USER}:{self.password}@{HOST}:{self.port}/{database}"

    def database(self, name: str) -> str:
        """Make an empty database; its URL."""
        self._ask("createdb", name)
        return self.url(name)

    def answers(self) -> bool:
        """Whether it takes connections."""
        program = str(self.programs / "pg_isready")
        command = [program, "-q", "-h", HOST, "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def _ask(self, program: str, *words: str) -> None:
        place = ("-h", HOST, "-p", str(self.port), "-U", _USER)
        env = {**os.environ, "PGPASSWORD": self.password}
        subprocess.run([str(self.programs / program), *place, *words], check=True, env=env)


def missing() -> str | None:
    """Why no server can be started here; None where one can."""
    if _programs() is None:
        return "needs PostgreSQL's programs: apt-get install postgresql"
    if os.geteuid() == 0 and not _has_user():
        return f"PostgreSQL does not run as root, and there is no user {_USER} to run it as"
    return None


@contextmanager
def running(log: Path | None = None, *, durable: bool = False) -> Iterator[Server]:
    """A server with an empty cluster, gone with all it held when the block ends.

    Its folder is below the system's folder of temporary files, which the server's user can reach:
    pytest's own are closed to others.

    Args:
        log: Its log; None keeps none.
        durable: Each commit waits for the disk, as on a server in earnest.

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
        server = Server(programs, free_port(), secrets.token_hex())
        _make_cluster(root, server)
        child = _start(children, root, server, log or root / "log", durable=durable)
        wait_for(child, server.answers, seconds=_START_SECONDS)
        yield server


def _make_cluster(root: Path, server: Server) -> None:
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
        extra_groups=_groups(),
        cwd=root,
        stdout=subprocess.DEVNULL,
    )


def _start(children: Children, root: Path, server: Server, log: Path, *, durable: bool) -> Child:
    """The server itself, a child of this process."""
    settings = {
        "port": str(server.port),
        "listen_addresses": HOST,
        "unix_socket_directories": "",
        "fsync": "on" if durable else "off",
    }
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return children.start(
        "postgres",
        [str(server.programs / "postgres"), "-D", str(root / "data"), *words],
        log=log,
        cwd=root,
        user=_user(),
        stop_with=signal.SIGINT,  # ends without waiting for its clients
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


def _groups() -> list[int] | None:
    """None but its own: root's must not stay with the server."""
    return [] if os.geteuid() == 0 else None


def _has_user() -> bool:
    try:
        pwd.getpwnam(_USER)
    except KeyError:
        return False
    return True
