"""Opening a lake by its place: a folder, or a bucket and prefix. Its format is looked at."""

from __future__ import annotations

from pathlib import Path

from spine_assets.core.bucket_url import is_bucket_url
from spine_assets.lake.base import Lake
from spine_assets.lake.format import stored_format
from spine_assets.lake.local import LocalLake


def open_lake(place: Path | str) -> Lake:
    """The lake at a place, existing or not; nothing is made.

    Args:
        place: A folder, or a URL such as `s3://bucket/prefix` (also `gs://` and `az://`).

    Raises:
        NewerFormat: it was written by a later version of the program.
        LakeError: its format cannot be read.
    """
    lake = _lake_at(place)
    stored_format(lake)
    return lake


def _lake_at(place: Path | str) -> Lake:
    if is_bucket_url(str(place)):
        from spine_assets.lake.bucket.lake import ObjectLake  # few lakes need obstore and fsspec

        return ObjectLake(str(place))
    return LocalLake(Path(place))
