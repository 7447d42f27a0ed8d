"""A PostgreSQL server of its own on a free loopback port, for Dagster's storage in tests.

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
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_DEBIAN = Path("/usr/lib/postgresql")  # Debian keeps the server's programs out of PATH
_USER = "postgres"
_START_SECONDS = 60.0  # it takes about one; a machine under load some times that
_STOP_SECONDS = 30.0
_LOG_CHARS = 3_000


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        programs: The folder of its programs.
        password: Of the user `postgres`; nobody else has an account.
    """

    programs: Path
    port: int
    password: str

    def url(self, database: str = _USER) -> str:
        """Where a database is, as SQLAlchemy and Dagster read it."""
        return f"postgresql+psycopg2://{_USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def database(self, name: str) -> str:
        """Make an empty database; its URL."""
        self._ask("createdb", name)
        return self.url(name)

    def answers(self) -> bool:
        """Whether it takes connections."""
        program = str(self.programs / "pg_isready")
        command = [program, "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def _ask(self, program: str, *words: str) -> None:
        place = ("-h", "127.0.0.1", "-p", str(self.port), "-U", _USER)
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
def running() -> Iterator[Server]:
    """A server with an empty cluster, gone with all it held when the block ends.

    Its folder is below the system's folder of temporary files, which the server's user can reach:
    pytest's own are closed to others.
    """
    programs = _programs()
    assert programs is not None, missing()
    with tempfile.TemporaryDirectory(prefix="spine-postgres-") as name:
        root = Path(name)
        if _user() is not None:
            shutil.chown(root, _USER)
        server = Server(programs, _free_port(), secrets.token_hex())
        _make_cluster(root, server)
        with (root / "log").open("w") as log:
            process = _start(root, server, log.fileno())
            try:
                _wait(process, server, root)
                yield server
            finally:
                process.send_signal(signal.SIGINT)  # ends without waiting for its clients
                try:
                    process.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


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


def _start(root: Path, server: Server, log: int) -> subprocess.Popen[bytes]:
    """The server itself, a child of this process; nothing of it survives a power cut."""
    settings = {
        "port": str(server.port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",
    }
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return subprocess.Popen(
        [str(server.programs / "postgres"), "-D", str(root / "data"), *words],
        user=_user(),
        group=_user(),
        extra_groups=_groups(),
        cwd=root,
        stdout=log,
        stderr=subprocess.STDOUT,
    )


def _wait(process: subprocess.Popen[bytes], server: Server, root: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while not server.answers():
        if process.poll() is not None or time.monotonic() > end:
            said = (root / "log").read_text()[-_LOG_CHARS:]
            raise RuntimeError(f"PostgreSQL does not answer on port {server.port}:\n{said}")
        time.sleep(0.1)


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


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
