"""Whether a store refuses a PUT whose condition does not hold: without it no lock is safe."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Literal

from spine_assets.lake.base import LakeError
from spine_assets.lake.bucket.objects import ObjectFile, Version
from spine_assets.lake.bucket.store_errors import Replaced

_MARKER = "conditions.ok"
_TRIED: set[ObjectFile] = set()  # folders of this process whose store is known to be safe


def require_conditions(folder: ObjectFile) -> None:
    """Write an object with conditions that hold and do not hold, and delete it.

    Raises:
        LakeError: the store overwrites all the same, so two writers could not be kept apart.
    """
    probe = folder / f"{uuid.uuid4().hex}.probe"
    try:
        first = probe.put(b"first", "none")
        second = probe.put(b"second", first)
        expectations: tuple[Version | Literal["none"], ...] = ("none", first)
        for expected in expectations:
            with suppress(Replaced):
                probe.put(b"third", expected)
                raise LakeError(
                    f"{folder.parent}: the store overwrites objects against the condition of the "
                    "PUT, so two writers could not be kept apart; it must support If-Match and "
                    "If-None-Match of PUT (docs/settings.md)"
                )
        if second == first:
            raise LakeError(f"{folder.parent}: the store gives two objects the same version")
    finally:
        probe.unlink(missing_ok=True)


def require_conditions_once(folder: ObjectFile) -> None:
    """As `require_conditions`, once per folder: a marker in it records that it was done."""
    if folder in _TRIED:
        return
    marker = folder / _MARKER
    if not marker.exists():
        require_conditions(folder)
        marker.write_bytes(b"this store was tried: it refuses PUTs whose condition fails\n")
    _TRIED.add(folder)
