"""Which storage Dagster has in tests: the project's own, or PostgreSQL with `--storage=postgres`.

    pytest --storage=postgres spine_assets_tests/orchestration/history/test_prune.py

Belongs here: writing a test project's `dagster.yaml`, and opening an empty history. Tests of
SQLite's files themselves are marked `sqlite` and left out on PostgreSQL.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from spine_assets.dev.local_cluster import postgres

_ROOT = Path(__file__).parents[2]
_SOURCE, _DEPLOYED = _ROOT / "dagster.yaml", _ROOT / "deploy" / "dagster-postgres.yaml"
_servers: list[postgres.PostgresServer] = []
_numbers = count()


@contextmanager
def on_postgres() -> Iterator[None]:
    """Projects that are laid out meanwhile have a database each in a server of our own."""
    with postgres.running() as server:
        _servers.append(server)
        try:
            yield
        finally:
            _servers.remove(server)


def lay_out(root: Path, text: str | None = None) -> None:
    """Write `dagster.yaml` into a test's project.

    Args:
        root: The project.
        text: What stands in it; None for the repository's.
    """
    text = _SOURCE.read_text("utf-8") if text is None else text
    if _servers:
        config = yaml.safe_load(text)
        deployed = yaml.safe_load(_DEPLOYED.read_text("utf-8"))["storage"]
        deployed["custom"]["config"]["postgres_url"] = _servers[-1].database(
            f"dagster_{next(_numbers)}"
        )
        config["storage"] = deployed
        text = yaml.safe_dump(config, sort_keys=False)
    (root / "dagster.yaml").write_text(text, "utf-8")


@contextmanager
def instance_in(folder: Path) -> Iterator[dg.DagsterInstance]:
    """An instance on disk with an empty history, whose storage is the project's own."""
    copy_history(folder)
    # What steps print is not stored: Dagster would start two processes for each.
    overrides = _storage(folder) | {
        "compute_logs": {
            "module": "dagster._core.storage.noop_compute_log_manager",
            "class": "NoOpComputeLogManager",
        }
    }
    with dg.DagsterInstance.local_temp(str(folder), overrides=overrides) as instance:
        yield instance


def copy_history(folder: Path) -> None:
    """Put the files of an empty history into a folder; to make them takes Dagster half a second."""
    shutil.copytree(_empty_history().name, folder, dirs_exist_ok=True)


@cache
def _empty_history() -> tempfile.TemporaryDirectory[str]:
    """Made once per process, and removed at its end."""
    folder = tempfile.TemporaryDirectory(prefix="spine-history-")
    with dg.DagsterInstance.local_temp(folder.name, overrides=_storage(Path(folder.name))) as made:
        assert made.get_runs_count() == 0
    return folder


def _storage(folder: Path) -> dict[str, Any]:
    """The storage of the repository's `dagster.yaml`, in another folder."""
    storage = yaml.safe_load(_SOURCE.read_text("utf-8"))["storage"]
    storage["custom"]["config"] = {"base_dir": str(folder)}
    return {"storage": storage}
