"""The folders of landing, data and lake: whether they can be read and written, and their space.

Writing is tried with a small hidden file of our own, which is deleted at once.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from spine_assets.core.settings import Settings
from spine_assets.lake.base import LakeError
from spine_assets.lake.bucket.lake import ObjectLake
from spine_assets.lake.bucket.write_conditions import require_conditions
from spine_assets.lake.format import NewerFormat
from spine_assets.lake.names import LOCKS, LockName
from spine_assets.maintenance.doctor.diagnosis import Diagnosis, fail, listed, ok, warn
from spine_assets.otc.delivery import landing_index
from spine_assets.otc.delivery.listing import listing

_GB = 1_000_000_000
# A full-size week stages some 20 MB of tables beside the old ones, and its run logs as much
# again: less than this is used up in a day of corrections, and Dagster's history with it.
FAIL_BYTES = 1 * _GB
# All ATS weeks since 2014 take about 14 GB as delivered and some GB in the lake.
WARN_BYTES = 10 * _GB
_PROBE_BYTES = 8_192  # more than a file system stores with a name, so that it needs space


def readable(settings: Settings, examine: Callable[[Settings], Diagnosis]) -> Diagnosis:
    """An examination with the settings; what cannot be read is a finding too."""
    try:
        return examine(settings)
    except OSError as error:
        place = error.filename or "a folder"
        return fail(
            f"{place} cannot be read: {error.strerror or error}",
            "mount the disk, or correct the permissions",
        )
    except NewerFormat as error:
        return fail(str(error), "update this installation")
    except (LakeError, ValueError) as error:  # ValueError: a week's folder of another name
        return fail(f"cannot be read: {error}", "move away what does not belong to this program")


def landing(settings: Settings) -> Diagnosis:
    """How many files are delivered, and how many of them cannot be used."""
    folder = settings.landing_path
    if not folder.exists() and not folder.is_symlink():
        return warn(f"there is no {folder}", "spine db init makes it; drop files into it")
    try:
        os.listdir(folder)  # noqa: PTH208 - a walk ignores what it cannot read
    except OSError as error:
        return fail(f"{folder} cannot be read: {error.strerror}", "make it a readable folder")
    # Size and time of change of what could be data files; nothing is opened.
    files = {item.name: (item.size, item.mtime_ns) for item in listing(folder)}
    index = landing_index.load(settings.landing_index_path)
    scanned = {name: (entry["size"], entry["mtime_ns"]) for name, entry in index.items()}
    known = [name for name, state in files.items() if scanned.get(name) == state]
    unusable = [name for name in known if any("refused" in one for one in index[name]["contents"])]
    found = f"{len(files):,} files in {folder}"
    if len(known) < len(files):
        found += f", {len(files) - len(known):,} of them not scanned yet"
    if unusable:
        return warn(
            f"{found}; cannot be used: {listed(unusable)}", "spine status lists the reasons"
        )
    return ok(found)


def data_folder(settings: Settings) -> Diagnosis:
    """Whether the data folder can be written."""
    return _written(settings.data_dir, "SPINE_DATA_DIR")


def lake_folder(settings: Settings) -> Diagnosis:
    """Whether the lake can be written, and a bucket refuses a PUT whose condition fails."""
    place = settings.lake_place
    if isinstance(place, Path):
        return _written(place, "SPINE_LAKE")
    lake = ObjectLake(place)
    try:
        require_conditions(lake.root / LOCKS)
        with lake.lock_of(LockName.DOCTOR):
            pass
    except LakeError as error:
        return fail(str(error), "docs/settings.md lists what a bucket needs")
    return ok(f"{place} can be written, and refuses a second writer")


def _written(folder: Path, setting: str) -> Diagnosis:
    """Try to write into a folder, or into the one in which it would be made."""
    place = nearest_existing(folder)
    probe = place / f".spine-doctor.{uuid.uuid4().hex}.tmp"
    try:
        probe.write_bytes(bytes(_PROBE_BYTES))
    except OSError as error:
        return fail(
            f"{place} cannot be written: {error.strerror}",
            f"free space, correct the permissions, or let {setting} name another folder",
        )
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return ok(f"{folder} can be {'written' if place == folder else 'made'}")


def index_file(settings: Settings) -> Diagnosis:
    """Whether the landing index can be replaced."""
    path = settings.landing_index_path
    if path.exists() and not path.is_file():
        return fail(f"{path} is not a file, so every scan reads every file", f"move {path} away")
    if path.exists() and not landing_index.load(path):
        size = path.stat().st_size
        return ok(f"{path} ({size:,} bytes) lists no file; the next scan writes it")
    return ok(f"{path} {'is valid' if path.exists() else 'is made by the first scan'}")


def disk_space(settings: Settings) -> Diagnosis:
    """How much space is left for data and lake."""
    free = {}
    lake = [settings.lake_place] if isinstance(settings.lake_place, Path) else []
    for folder in (settings.data_dir, *lake):
        try:
            free[folder] = shutil.disk_usage(nearest_existing(folder)).free
        except OSError as error:
            return fail(f"{folder}: {error.strerror}", "mount the disk, or name another folder")
    folder = min(free, key=lambda one: free[one])
    found = f"{free[folder] / _GB:,.1f} GB free for {folder}"
    if free[folder] < FAIL_BYTES:
        return fail(
            f"{found}: less than {FAIL_BYTES // _GB} GB, and each week is written beside its "
            "earlier state before it replaces it",
            "free space; a run on a full disk fails and leaves the tables unchanged",
        )
    if free[folder] < WARN_BYTES:
        return warn(
            f"{found}: less than {WARN_BYTES // _GB} GB, too little for all history",
            "free space before a long backfill",
        )
    return ok(found)


def nearest_existing(folder: Path) -> Path:
    """The folder itself, or the first above it that exists."""
    return next(place for place in (folder, *folder.parents) if os.path.lexists(place))
