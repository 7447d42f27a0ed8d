"""Whether the consolidated volume that is loaded is that of the files of now.

Apart from the load (`otc.build.consolidated`), which imports Pandera: every query asks this.
"""

from __future__ import annotations

from typing import Any

from spine_assets.core.settings import Settings
from spine_assets.lake.base import Lake
from spine_assets.lake.replace import stored_metadata
from spine_assets.otc.delivery import consolidated_files
from spine_assets.otc.delivery.consolidated_files import ConsolidatedRefused
from spine_assets.otc.tables.consolidated import TABLE


def loaded_facts(lake: Lake) -> dict[str, Any]:
    """`data_version` and `files` (`consolidated_files.stamps`) of what is loaded."""
    found = stored_metadata(lake, lake.part(TABLE.name, None)) or {}
    return {"data_version": found.get("data_version"), "files": found.get("files") or {}}


def changed_since(lake: Lake, settings: Settings) -> str | None:
    """What to do where files changed since they were loaded; None where they did not.

    A place that is missing says nothing: the lake may be a copy.
    """
    place = settings.consolidated_path
    if not place.exists():
        return None
    try:
        now = consolidated_files.stamps(consolidated_files.files_at(place))
    except (ConsolidatedRefused, OSError):
        now = None
    if now == loaded_facts(lake)["files"]:
        return None
    return f"the files in {place} changed since they were loaded: spine run otc.consolidated"
