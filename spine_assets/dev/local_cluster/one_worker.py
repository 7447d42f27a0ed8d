"""Celery workers for one Dagster home, as `dagster-celery worker start` starts them.

Belongs here: starting workers for the runs of one `DAGSTER_HOME`, waiting until they answer, and
stopping them. Does not belong here: the broker (`redis`).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from celery import Celery

from spine_assets.dev.local_cluster.processes import CannotStart, Child, Children

_START_SECONDS = 120.0  # a start takes about 4 s, several times that on a loaded machine
_ANSWER_SECONDS = 1.0
_CONFIG = """\
execution:
  config:
    broker: {url}
    backend: {url}
"""


@contextmanager
def working(
    home: Path, url: str, *, workers: int = 1, env: Mapping[str, str]
) -> Iterator[list[Child]]:
    """Run workers, each with one process for runs, until the block ends.

    Args:
        home: Dagster's home and their working folder; their logs go there.
        url: Broker and result backend.
        workers: How many.
        env: Their complete environment, except `DAGSTER_HOME`.

    Raises:
        CannotStart: a worker does not answer; the message ends with its log.
    """
    config = home / "celery.yaml"
    config.touch(mode=0o600)  # the address may hold a password
    config.write_text(_CONFIG.format(url=url), "utf-8")
    programs = Path(sys.executable).parent
    path = f"{programs}{os.pathsep}{env.get('PATH', os.defpath)}"  # it runs `celery` from PATH
    with Children() as children:
        variables = {**env, "PATH": path, "DAGSTER_HOME": str(home)}
        started = []
        for name in (f"worker-{number}" for number in range(1, workers + 1)):
            words = [str(programs / "dagster-celery"), "worker", "start", "-n", name]
            words += ["-A", "dagster_celery.app", "-y", str(config), "-q", "dagster"]
            words += ["--", "--concurrency=1", "--loglevel=INFO"]
            log = home / f"{name}.log"
            started.append(children.start(name, words, log=log, env=variables, cwd=home))
        _wait(url, started)
        yield started


def _wait(url: str, started: list[Child]) -> None:
    end = time.monotonic() + _START_SECONDS
    with Celery("asking", broker=url) as app:
        while len(app.control.ping(timeout=_ANSWER_SECONDS) or []) < len(started):
            ended = [child for child in started if child.process.poll() is not None]
            if ended or time.monotonic() > end:
                child = ended[0] if ended else started[-1]
                raise CannotStart(f"{child.name} does not answer ({child.log}):\n{child.log_end()}")
