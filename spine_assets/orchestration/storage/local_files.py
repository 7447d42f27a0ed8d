"""Dagster's own folders for compute logs and artifacts, in the data folder.

Dagster (1.13.27) needs a `base_dir`, and takes a relative one from the working folder of each
process, so that logs of a run that was started elsewhere would be written there. Here it may be
left out, so that `SPINE_DATA_DIR` alone says where everything is stored; a relative one starts at
the project's root. Only the path differs from Dagster's classes. Does not belong here: runs and
events (`sqlite`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import dagster as dg

from spine_assets.core.project_root import anchored
from spine_assets.core.settings import history_path
from spine_assets.orchestration.dagster_private import (
    ConfigurableClassData,
    LocalArtifactStorage,
    LocalComputeLogManager,
)


def with_folder(config: Mapping[str, Any], *below: str) -> dict[str, Any]:
    """A configuration with an absolute `base_dir`.

    Args:
        config: As `dagster.yaml` has it; without a `base_dir` it is below the folder of the
            history (`SPINE_DATA_DIR`).
        below: Folder in that of the history.
    """
    base = config.get("base_dir")
    folder = anchored(base) if base else history_path().joinpath(*below)
    return {**config, "base_dir": str(folder)}


def optional_folder(config_type: Any) -> dict[str, Any]:
    """The configuration of a class of Dagster's, with a `base_dir` that may be left out."""
    return {**config_type, "base_dir": dg.Field(dg.StringSource, is_required=False)}


class AnchoredComputeLogs(LocalComputeLogManager):
    """What steps print, in files below `base_dir`, by default `compute_logs` of the history."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """What may be configured."""
        return optional_folder(super().config_type())

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Open the folder that `dagster.yaml` configures."""
        return cls(inst_data=inst_data, **with_folder(config_value, "compute_logs"))


class AnchoredArtifacts(LocalArtifactStorage):
    """What Dagster's default I/O manager stores, and schedules' folders, below `base_dir`."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """What may be configured."""
        return optional_folder(super().config_type())

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Open the folder that `dagster.yaml` configures."""
        return cls(inst_data=inst_data, **with_folder(config_value))
