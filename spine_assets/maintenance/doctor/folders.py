"""The folders: landing, data and lake; whether they can be read and written, and their room.

Writing is tried with a small hidden file of our own, which is deleted again at once.
"""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from spine_assets.core.settings import Settings
from spine_assets.lake.base import LakeError
from spine_assets.maintenance.doctor.findings import Finding, fail, listed, ok, warn
from spine_assets.otc.delivery import landing_index
from spine_assets.otc.delivery.listing import listing

_GB = 1_000_000_000
# A full-size week stages some 20 MB of tables beside the old ones, and its run logs as much
# again: less than this is gone in a day of corrections, and Dagster's history with it.
FAIL_BYTES = 1 * _GB
# All ATS weeks since 2014 take about 14 GB as delivered and some GB in the lake.
WARN_BYTES = 10 * _GB
_PROBE_BYTES = 8_192  # more than what a file system keeps beside a name, so that it takes room


def landing(settings: Settings) -> Finding:
    """How many files are delivered, and how many of them cannot be used."""
    folder = settings.landing_path
    if not folder.exists() and not folder.is_symlink():
        return warn(f"there is no {folder}", "spine db init makes it; drop files into it")
    try:
        os.listdir(folder)  # noqa: PTH208 - a walk keeps silent about what it cannot read
    except OSError as error:
        return fail(f"{folder} cannot be read: {error.strerror}", "it must be a readable folder")
    files = _data_files(folder)
    index = landing_index.load(settings.landing_index_path)
    known = [name for name, stand in files.items() if _stands(index.get(name), stand)]
    unusable = [name for name in known if any("refused" in one for one in index[name]["contents"])]
    found = f"{len(files):,} files in {folder}"
    if len(known) < len(files):
        found += f", {len(files) - len(known):,} of them not looked at yet"
    if unusable:
        return warn(f"{found}; cannot be used: {listed(unusable)}", "spine status says why")
    return ok(found)


def _data_files(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of what could be data files, by name; nothing is opened."""
    return {item.name: (item.size, item.mtime_ns) for item in listing(folder)}


def _stands(entry: dict[str, object] | None, stand: tuple[int, int]) -> bool:
    return entry is not None and (entry["size"], entry["mtime_ns"]) == stand


def data_folder(settings: Settings) -> Finding:
    """Whether the data folder can be written."""
    return _written(settings.data_dir.absolute(), "SPINE_DATA_DIR")


def lake_folder(settings: Settings) -> Finding:
    """Whether the lake can be written."""
    if isinstance(settings.lake_place, Path):
        return _written(settings.lake_place, "SPINE_LAKE")
    return _bucket(settings.lake_place)


def _bucket(place: str) -> Finding:
    """Try to write into a bucket, and whether it refuses what must be refused."""
    from spine_assets.lake.bucket.lake import ObjectLake

    lake = ObjectLake(place)
    try:
        lake.require_conditions()
        with lake.lock_of("doctor"):
            pass
    except LakeError as error:
        return fail(str(error), "docs/cluster.md tells what a bucket needs")
    return ok(f"{place} can be written, and keeps two writers apart")


def _written(folder: Path, setting: str) -> Finding:
    """Try to write into a folder, or into the one in which it would be made."""
    place = nearest_existing(folder)
    probe = place / f".spine-doctor.{uuid.uuid4().hex}.tmp"
    try:
        probe.write_bytes(bytes(_PROBE_BYTES))
    except OSError as error:
        return fail(
            f"{place} cannot be written: {error.strerror}",
            f"free space, mend the permissions, or let {setting} name another folder",
        )
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return ok(f"{folder} can be {'written' if place == folder else 'made'}")


def index_file(settings: Settings) -> Finding:
    """Whether the landing index can be replaced."""
    path = settings.landing_index_path
    if path.exists() and not path.is_file():
        return fail(f"{path} is no file, so every scan reads every file", f"move {path} away")
    if path.exists() and not landing_index.load(path):
        size = path.stat().st_size
        return ok(f"{path} ({size:,} bytes) knows no file; the next scan writes it anew")
    return ok(f"{path} {'is sound' if path.exists() else 'is made by the first scan'}")


def disk_space(settings: Settings) -> Finding:
    """How much room is left for data and lake."""
    free = {}
    lake = [settings.lake_place] if isinstance(settings.lake_place, Path) else []
    for folder in (settings.data_dir.absolute(), *lake):
        try:
            free[folder] = shutil.disk_usage(nearest_existing(folder)).free
        except OSError as error:
            return fail(f"{folder}: {error.strerror}", "mount the disk, or name another folder")
    folder = min(free, key=lambda one: free[one])
    found = f"{free[folder] / _GB:,.1f} GB free for {folder}"
    if free[folder] < FAIL_BYTES:
        return fail(
            f"{found}: less than {FAIL_BYTES // _GB} GB, and each week is written beside its "
            "old state before it replaces it",
            "free space; a run on a full disk fails and leaves the tables as they were",
        )
    if free[folder] < WARN_BYTES:
        return warn(
            f"{found}: less than {WARN_BYTES // _GB} GB, too little for all history",
            "free space before a long backfill",
        )
    return ok(found)


def nearest_existing(folder: Path) -> Path:
    """The folder itself, or the first above it that is there."""
    return next(place for place in (folder, *folder.parents) if os.path.lexists(place))
