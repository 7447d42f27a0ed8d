"""Child processes that never outlive this one.

Each leads a process group of its own, so that Ctrl-C in a terminal reaches only the parent, which
stops them in the reverse order of their start and kills what is left of their groups. `keeper` does
the same after the parent was killed. Belongs here: starting, waiting and stopping. Does not belong
here: which processes there are.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from spine_assets.dev.local_cluster import keeper

HOST = "127.0.0.1"  # never another: nothing here may be reached from a network
_STOP_SECONDS = 20.0  # an idle worker ends in about 3 s
_LOG_CHARS = 3_000
_POLL_SECONDS = 0.1


class CannotStart(Exception):
    """A process ended or did not answer; the message has the end of its log."""


@dataclass(frozen=True)
class Child:
    """A process that was started.

    Attributes:
        log: Where its output goes.
        stop_with: The signal that ends it.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_with: signal.Signals = signal.SIGTERM

    @property
    def pid(self) -> int:
        """Its process id, which is also that of its process group."""
        return self.process.pid

    def log_end(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-_LOG_CHARS:]

    def kill(self) -> None:
        """Kill its process group at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Children:
    """Processes that end with the block.

    with Children() as children:
        children.start("redis", ["redis-server"], log=Path("redis.log"))
    """

    _children: list[Child] = field(default_factory=list)
    _keeper: subprocess.Popen[str] = field(init=False)

    def __enter__(self) -> Self:
        """Start the keeper."""
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", str(keeper.__file__)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all, last first; then the keeper."""
        try:
            for child in reversed(self._children):
                self.stop(child)
        finally:
            self._keeper.communicate()  # ends its input, and waits

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        stop_with: signal.Signals = signal.SIGTERM,
    ) -> Child:
        """Start a process.

        Args:
            name: Its name in messages.
            command: The program and its arguments.
            log: Its output is appended to this file.
            env: Its complete environment; None for this process's.
            cwd: Its working folder.
            user: The user to run it as, without root's groups; only root may set it.
            stop_with: The signal that ends it.
        """
        with log.open("ab") as out:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                user=user,
                group=user,
                extra_groups=[] if user else None,
                start_new_session=True,
            )
        child = Child(name, process, log, stop_with)
        self._children.append(child)
        self._notify_keeper(f"+{child.pid}")
        return child

    def stop(self, child: Child) -> None:
        """End a process and its group; does nothing if it has ended."""
        if child.process.poll() is None:
            child.process.send_signal(child.stop_with)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(_STOP_SECONDS)
        child.kill()
        self._notify_keeper(f"-{child.pid}")

    def remove(self, folder: Path) -> None:
        """Have the keeper remove a folder if this process is killed."""
        self._notify_keeper(f"*{folder}")

    def _notify_keeper(self, line: str) -> None:
        print(line, file=self._keeper.stdin, flush=True)


def wait_for(child: Child, answers: Callable[[], bool], *, seconds: float) -> None:
    """Wait until a process answers.

    Raises:
        CannotStart: it ended, or did not answer in time.
    """
    end = time.monotonic() + seconds
    while not answers():
        if child.process.poll() is not None:
            raise CannotStart(f"{child.name} ended at once ({child.log}):\n{child.log_end()}")
        if time.monotonic() > end:
            late = f"{child.name} does not answer after {seconds:.0f} s"
            raise CannotStart(f"{late} ({child.log}):\n{child.log_end()}")
        time.sleep(_POLL_SECONDS)


def listens(port: int) -> bool:
    """Whether something takes connections on a loopback port."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])
