"""Replacing a file of the lake: stage the new content, check it, publish it or keep the old file.

Weekly tables, tables of pipelines and reports are all replaced in this way. The caller holds the
lock of the file. Belongs here: the order of these steps, and whether the stored file is already of
the wanted version. Does not belong here: how content is made, versioned and checked.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import polars as pl

from spine_assets.lake.base import Lake, LakeError, LakeFile, LakeMissing, LakeUnavailable


class Replacement(StrEnum):
    """What happened to a file."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    """The content passed its check and is that of the stored file, which stays."""
    KEPT = "kept"
    """The content did not pass its check, so the earlier file stays, if there is one."""


def replace_file(
    lake: Lake,
    target: LakeFile,
    content: pl.DataFrame | bytes,
    metadata: dict[str, Any] | None = None,
    *,
    check: Callable[[Path], bool] = lambda _: True,
    unchanged: bool = False,
) -> Replacement:
    """Stage content for a file, and publish it if its check allows that.

    Args:
        lake: The lake that holds the file's lock.
        target: The file.
        content: Rows of a table, or the bytes of any other file.
        metadata: Written beside the rows.
        check: Called with the staged file; returns whether it may be published.
        unchanged: The stored file has this content; check it, but publish nothing.

    Raises:
        LakeError: the lake cannot be written.
    """
    if isinstance(content, pl.DataFrame):
        staged = lake.stage(content, target, metadata or {})
    else:
        staged = lake.stage_bytes(content, target)
    try:
        if not check(staged):
            return Replacement.KEPT
        if unchanged:
            return Replacement.UNCHANGED
        lake.publish(staged, target)
        return Replacement.PUBLISHED
    finally:
        staged.unlink(missing_ok=True)


def stored_metadata(lake: Lake, file: LakeFile) -> dict[str, Any] | None:
    """The metadata of a file, by one request; None where it is missing, empty where damaged.

    Raises:
        LakeUnavailable: the lake does not answer, which says nothing about the file.
    """
    try:
        return lake.metadata(file)
    except LakeMissing:
        return None
    except LakeUnavailable:
        raise
    except LakeError:
        return {}


def metadata_of_version(lake: Lake, target: LakeFile, key: str, version: str) -> dict[str, Any]:
    """The metadata of the stored file if it is intact and has a version; else empty.

    Args:
        lake: Where.
        target: The file, existing or not.
        key: Name of the version in the metadata.
        version: The wanted one.

    Raises:
        LakeUnavailable: the lake does not answer, which says nothing about the file.
    """
    metadata = stored_metadata(lake, target)
    if not metadata or metadata.get(key) != version:
        return {}
    try:
        lake.verify(target)
    except LakeError:
        return {}  # it is replaced by what is built now
    return metadata
