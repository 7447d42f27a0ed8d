"""Starting runs: in this process, on Celery workers, or in the queue of a running daemon.

Whichever way, it is a Dagster run with an id, events and tags. `SPINE_BACKEND` says which of them
the `spine` command uses (`cli.starting`). Belongs here: the launchers, a module each (`here`,
`celery_workers`, `queued`), and what they share (`asked`). Does not belong here: what is run
(`pipelines`) and how it is followed (`following`).
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
