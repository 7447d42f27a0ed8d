"""Dagster's own folders for compute logs and artifacts, with relative paths anchored.

Dagster (1.13.27) takes a relative `base_dir` from the working folder of each process, so that logs
of a run that was started elsewhere would be written there. Only the path differs from Dagster's
classes. Does not belong here: runs and events (`sqlite`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from spine_assets.core.project_root import anchored
from spine_assets.orchestration.dagster_private import (
    ConfigurableClassData,
    LocalArtifactStorage,
    LocalComputeLogManager,
)


class AnchoredComputeLogs(LocalComputeLogManager):
    """What steps print, in files below `base_dir`."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Open the folder that `dagster.yaml` configures."""
        return cls(inst_data=inst_data, **_anchored(config_value))


class AnchoredArtifacts(LocalArtifactStorage):
    """What Dagster's default I/O manager stores, and schedules' folders, below `base_dir`."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Open the folder that `dagster.yaml` configures."""
        return cls(inst_data=inst_data, **_anchored(config_value))


def _anchored(config: Mapping[str, Any]) -> dict[str, Any]:
    return {**config, "base_dir": str(anchored(config["base_dir"]))}
