"""Opening a lake by its place: a folder, or a bucket and prefix."""

from __future__ import annotations

from pathlib import Path

from spine_assets.core.bucket_url import is_bucket_url
from spine_assets.lake.base import Lake
from spine_assets.lake.local import LocalLake


def open_lake(place: Path | str) -> Lake:
    """The lake at a place; nothing is read or made.

    Args:
        place: A folder, or a URL such as `s3://bucket/prefix` (also `gs://` and `az://`).
    """
    if is_bucket_url(str(place)):
        from spine_assets.lake.bucket.lake import ObjectLake  # few lakes need obstore and fsspec

        return ObjectLake(str(place))
    return LocalLake(Path(place))
