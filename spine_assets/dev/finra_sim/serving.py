"""The simulated FINRA on a loopback socket, in a thread of this process.

Belongs here: starting and stopping uvicorn. Does not belong here: responses (`app`).
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from time import monotonic, sleep

import uvicorn

from spine_assets.dev.finra_sim.app import make_app
from spine_assets.dev.finra_sim.options import SimOptions
from spine_assets.dev.finra_sim.simulator import Simulator

_HOST = "127.0.0.1"  # never another: only the user's own machine may reach it
_START_SECONDS = 30  # a loaded machine has taken seconds
_GRACE_SECONDS = 1  # for responses that are being sent when it is stopped
_KEEP_ALIVE_SECONDS = 60  # an idle connection outlives a client's pause between weeks


class CannotServe(Exception):
    """The server did not start."""


class SimServer:
    """A running simulated FINRA.

    Attributes:
        sim: what a test changes and reads.
        port: the port, the same after `stop` and `start`.
    """

    def __init__(self, sim: Simulator, port: int = 0) -> None:
        self.sim, self.port = sim, port
        self._running: tuple[uvicorn.Server, Thread] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{_HOST}:{self.port}"

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
            CannotServe: the server did not come up.
        """
        listener = socket.create_server((_HOST, self.port))
        self.port = int(listener.getsockname()[1])
        config = uvicorn.Config(
            make_app(self.sim),
            log_config=None,
            log_level="error",
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        server = uvicorn.Server(config)
        logging.getLogger("uvicorn.error").addFilter(_is_no_cut)
        thread = Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="finra-sim", daemon=True
        )
        thread.start()
        self._running = (server, thread)
        until = monotonic() + _START_SECONDS
        while not server.started:
            if monotonic() > until or not thread.is_alive():
                self.stop()
                raise CannotServe(f"{self.url} did not come up within {_START_SECONDS} s")
            sleep(0.005)  # a start takes some hundredths of a second

    def stop(self) -> None:
        """Refuse connections, as in an outage, until `start`; the simulator keeps its state."""
        if self._running is not None:
            server, thread = self._running
            self._running = None
            server.should_exit = True
            thread.join()


def _is_no_cut(record: logging.LogRecord) -> bool:
    """Whether a log record is more than the complaint about a connection cut on purpose."""
    return "without completing response" not in record.getMessage()


@contextmanager
def serving(
    options: SimOptions | None = None, *, port: int = 0, log: Callable[[str], object] | None = None
) -> Iterator[SimServer]:
    """A simulated FINRA on a loopback port (0: a free one) until the block ends.

    `log` is called with one line per request.

    Raises:
        OSError: the port is taken.
        CannotServe: the server did not come up.
    """
    server = SimServer(Simulator(options, log), port)
    server.start()
    try:
        yield server
    finally:
        server.stop()
