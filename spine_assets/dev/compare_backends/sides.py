"""All backends that can run here, one after another, with figures and differing tables."""

from __future__ import annotations

import importlib.util
import shutil
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import get_args

from spine_assets.core.settings import Settings
from spine_assets.dev.compare_backends.equality import differences
from spine_assets.dev.compare_backends.trial import Trial, attempt
from spine_assets.lake.base import Lake, LakeFile

BACKENDS: tuple[str, ...] = get_args(Settings.model_fields["backend"].annotation)
"""All values of `SPINE_BACKEND`."""
_PACKAGES = ("dagster_celery", "redis")


def missing(backend: str) -> str | None:
    """The reason why a backend cannot run here; None if it can.

    Celery is compared with a broker and workers of its own, because the workers of an installation
    write to the storage and the lake of that installation.
    """
    if backend != "celery":
        return None
    if any(importlib.util.find_spec(name) is None for name in _PACKAGES):
        return "needs the extra cluster: uv sync --extra cluster"
    from spine_assets.dev.local_cluster import redis  # needs the extra `cluster`

    return redis.missing()


@dataclass
class Side:
    """One backend.

    Attributes:
        trials: In the order in which they ran.
        differs: Differences from the tables of the first successful trial, one line per table
            and week.
    """

    backend: str
    trials: list[Trial] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)

    @property
    def is_ok(self) -> bool:
        """Whether each trial succeeded."""
        return all(trial.is_ok for trial in self.trials)

    @property
    def is_equal(self) -> bool:
        """Whether the tables of all trials are equal."""
        return not self.differs

    def median(self, figure: Callable[[Trial], float]) -> float:
        """The median of a figure over the trials."""
        return statistics.median(figure(trial) for trial in self.trials)


def measured(
    backends: Sequence[str],
    weeks: Sequence[date],
    settings: Settings,
    folder: Path,
    *,
    repeat: int,
    workers: int,
    report: Callable[[str], None],
) -> list[Side]:
    """Try each backend in `repeat` rounds, so that other load on the machine affects all alike.

    Args:
        backends: Those that can run here.
        weeks: Oldest first.
        settings: Of the caller.
        folder: Empty; has at most two lakes at a time.
        repeat: Rounds.
        workers: Celery workers.
        report: Called with the name of each trial before it begins.
    """
    sides = {name: Side(name) for name in backends}
    first: Lake[LakeFile] | None = None
    for number in range(1, repeat + 1):
        for name, side in sides.items():
            report(name if repeat == 1 else f"{name}, {number} of {repeat}")
            place = folder / f"{name}-{number}"
            trial = attempt(name, (weeks[0], weeks[-1]), settings, place, workers)
            side.trials.append(trial)
            if not trial.is_ok:
                continue
            if first is None:
                first = trial.lake
                continue
            side.differs += differences(first, trial.lake, weeks)
            shutil.rmtree(place)
    return list(sides.values())
