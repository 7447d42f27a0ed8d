"""Starting runs: in this process, on Celery workers, or in the queue of a running daemon.

Each way makes a Dagster run with an id, events and tags; `cli.starting` chooses one. Belongs here:
a module for each launcher, what they share (`base`), and following the progress of runs. Does not
belong here: what is run (`pipelines`).
"""

from __future__ import annotations

from spine_assets.orchestration.launching.base import RemoteLauncher, new_run_id
from spine_assets.orchestration.launching.celery_workers import Workers, workers
from spine_assets.orchestration.launching.in_process import InProcessLauncher
from spine_assets.orchestration.launching.queue import Queue, queue

__all__ = [
    "InProcessLauncher",
    "Queue",
    "RemoteLauncher",
    "Workers",
    "new_run_id",
    "queue",
    "workers",
]
