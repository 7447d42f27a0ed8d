"""The complete cluster: its processes, and how they find each other.

It is the cluster of `deploy/compose.yaml` with the same `deploy/dagster-postgres.yaml`, on loopback
ports of one machine. Does not belong here: how processes are started and stopped (`processes`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import yaml

from spine_assets.dev.local_cluster import object_store, postgres, redis
from spine_assets.dev.local_cluster.processes import (
    HOST,
    CannotStart,
    Child,
    Children,
    free_port,
    listens,
    wait_for,
)

_INSTANCE = Path(__file__).parents[3] / "deploy" / "dagster-postgres.yaml"
_START_SECONDS = 120.0  # Dagster's processes import for about 5 s; all start at once
_WORKER_READY = "ready."  # a Celery worker logs it when it takes tasks
_DAEMON_READY = "Instance is configured with the following daemons"

CELERY = (
    "celery",
    "-A",
    "dagster_celery.app",  # Dagster's own; it reads CELERY_BROKER_URL and CELERY_RESULT_BACKEND
    "worker",
    "--loglevel=INFO",
    "-Q",
    "dagster",
    "--concurrency=1",  # a run builds as many weeks at once as there are cores
    "--disable-prefetch",  # tasks that a worker fetched in advance would be lost with it
    "--max-tasks-per-child=20",  # returns memory from time to time; a new process imports for 3 s
)
"""The command of a worker, without its name."""

Lakes = Literal["local", "s3"]


@dataclass(frozen=True)
class ClusterOptions:
    """How the cluster is set up.

    Attributes:
        data: Folder of landing, local lake, logs and Dagster's files; made if it is missing.
        lake: Where the tables are: in the data folder, or in the S3 server.
        workers: How many Celery workers, each with one slot.
        weeks_per_run: Weeks of a backfill per run.
        webserver_port: 0 for a free one.
    """

    data: Path
    lake: Lakes = "local"
    workers: int = 2
    weeks_per_run: int = 5  # runs of some seconds, so that they spread over the workers
    webserver_port: int = 0


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Attributes:
        addresses: Where each part listens, by name; passwords are in `env` alone.
        children: Dagster's processes and the workers, by name.
        env: The environment in which `spine` and `dagster` reach it.
    """

    addresses: dict[str, str]
    children: dict[str, Child]
    env: dict[str, str]

    @property
    def webserver(self) -> str:
        """Address of the UI and of GraphQL."""
        return self.addresses["webserver"]


def missing(lake: Lakes) -> str | None:
    """The reason why it cannot be started here; None if it can."""
    wanted = [redis.missing(), postgres.missing()]
    if lake == "s3":
        wanted.append(object_store.missing())
    if not _INSTANCE.is_file():
        wanted.append(f"needs {_INSTANCE}: run it from a checkout of the project")
    return "; ".join(reason for reason in wanted if reason) or None


@contextmanager
def running(options: ClusterOptions) -> Iterator[Cluster]:
    """Run all processes until the block ends; it begins when all are ready.

    Raises:
        CannotStart: a program is missing, or a process does not answer.
    """
    if reason := missing(options.lake):
        raise CannotStart(reason)
    data = options.data.absolute()
    logs = data / "logs"
    for folder in (logs, data / "dagster", data / "landing"):
        folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        broker = stack.enter_context(redis.running(logs / "redis.log"))
        database = stack.enter_context(postgres.running(logs / "postgres.log"))
        addresses = {"postgres": f"{HOST}:{database.port}", "redis": f"{HOST}:{broker.port}"}
        config = yaml.safe_load(_INSTANCE.read_text("utf-8"))  # as it is deployed
        config["concurrency"]["runs"]["max_concurrent_runs"] = options.workers
        made = yaml.safe_dump(config, sort_keys=False)
        (data / "dagster" / "dagster.yaml").write_text(made, "utf-8")
        env = _environment(options, database.database("dagster"), broker.url)
        if options.lake == "s3":
            store = stack.enter_context(object_store.running(logs / "s3.log"))
            env |= store.environment() | {"SPINE_LAKE": f"s3://{object_store.BUCKET}/lake"}
            addresses["s3"] = store.url
        children = stack.enter_context(Children())
        started, ports = _dagster(children, options, env, logs)
        yield Cluster(addresses | ports, started, env)


def _environment(options: ClusterOptions, database: str, broker: str) -> dict[str, str]:
    """The environment of Dagster's processes, which is all of their configuration."""
    data = options.data.absolute()
    programs = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": os.pathsep.join((programs, os.environ.get("PATH", os.defpath))),
        "DAGSTER_HOME": str(data / "dagster"),
        "DAGSTER_POSTGRES_URL": database,
        "CELERY_BROKER_URL": broker,
        "CELERY_RESULT_BACKEND": broker,
        "SPINE_DATA_DIR": str(data),
        "SPINE_WEEKS_PER_RUN": str(options.weeks_per_run),
    }


def _dagster(
    children: Children, options: ClusterOptions, env: Mapping[str, str], logs: Path
) -> tuple[dict[str, Child], dict[str, str]]:
    """Start the code server and the workers, then the processes that need the code server."""
    root = options.data.absolute()
    code, web = free_port(), options.webserver_port or free_port()
    workspace = root / "workspace.yaml"
    workspace.write_text(
        "load_from:\n  - grpc_server:\n"
        f"      host: {HOST}\n      port: {code}\n      location_name: spine_assets\n"
    )
    started: dict[str, Child] = {}

    def start(name: str, *command: str) -> Child:
        started[name] = children.start(name, command, log=logs / f"{name}.log", env=env, cwd=root)
        return started[name]

    module = ("-m", "spine_assets.definitions")
    where = ("-h", HOST, "-p", str(code))
    code_server = start("code-server", "dagster", "code-server", "start", *module, *where)
    names = [f"worker-{number}" for number in range(1, options.workers + 1)]
    workers = [start(name, *CELERY, "-n", f"{name}@%h") for name in names]
    wait_for(code_server, lambda: listens(code), seconds=_START_SECONDS)
    daemon = start("daemon", "dagster-daemon", "run", "-w", str(workspace))
    served = ("-h", HOST, "-p", str(web), "-w", str(workspace))
    webserver = start("webserver", "dagster-webserver", *served)
    wait_for(webserver, lambda: listens(web), seconds=_START_SECONDS)
    for child, sign in [(daemon, _DAEMON_READY), *((worker, _WORKER_READY) for worker in workers)]:
        wait_for(child, partial(_has_logged, child, sign), seconds=_START_SECONDS)
    addresses = {"code-server": f"{HOST}:{code}", "webserver": f"http://{HOST}:{web}"}
    return started, addresses


def _has_logged(child: Child, text: str) -> bool:
    return text in child.log.read_text(errors="replace")
