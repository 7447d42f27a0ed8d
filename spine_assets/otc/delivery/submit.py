"""Taking a file that lies elsewhere into the landing folder, under what is asserted of it.

The file is looked at first: one that would be refused there, or that contradicts the asserted
week, tier or class, is not taken. It is copied under a hidden name and renamed, so that no run
ever reads half of it; the original stays.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.delivery.archives import MEMBER_MARK, read_contents
from spine_assets.otc.delivery.file_format import parse
from spine_assets.otc.delivery.listing import is_data_name
from spine_assets.otc.delivery.placement import Placement, place
from spine_assets.otc.delivery.reasons import FileRefused

_HASH_DIGITS = 12


@dataclass(frozen=True)
class Asserted:
    """What a person says of a file; None where nothing is said."""

    week_ending: date | None = None
    tier: Tier | None = None
    venue_class: VenueClass | None = None

    @property
    def folder(self) -> Path:
        """Below the landing folder; week and class are read back from it."""
        told = {
            "week_ending": self.week_ending,
            "tier": self.tier,
            "class": self.venue_class,
        }
        return Path(*(f"{name}={value}" for name, value in told.items() if value is not None))


@dataclass(frozen=True)
class HandedIn:
    """Where a file stands in the landing folder, and what it holds."""

    path: Path
    placements: tuple[Placement, ...]
    copied: bool

    @property
    def weeks(self) -> list[date]:
        """Weeks that it holds, oldest first."""
        return sorted({item.week_ending for item in self.placements})


def hand_in(file: Path, landing: Path, asserted: Asserted, *, dry_run: bool = False) -> HandedIn:
    """Put a file into the landing folder.

    Args:
        file: Any readable file of a known ending, inside the landing folder or not.
        landing: The landing folder.
        asserted: What it is said to hold.
        dry_run: Look at it, and copy nothing.

    Raises:
        FileRefused: it cannot be used, or holds something else than was asserted.
        OSError: it cannot be read, or not be copied.
    """
    if not is_data_name(file.name):
        raise FileRefused(
            f"{file.name} has no name that is looked at: it must end in .csv, .psv, .txt (also "
            ".gz) or .zip and not begin with a dot, ~ or _"
        )
    source, root = file.resolve(), landing.resolve()
    inside = source.is_relative_to(root)
    target = source if inside else _target(source, root / asserted.folder)
    placements = tuple(_placements(source, target.relative_to(root).as_posix()))
    _require(placements, asserted)
    there = inside or target.exists()
    if not there and not dry_run:
        _copy(source, target)
    return HandedIn(target, placements, copied=not there)


def _target(source: Path, folder: Path) -> Path:
    """A name that is free, or holds the same bytes already."""
    plain = folder / source.name
    if not plain.exists():
        return plain
    with source.open("rb") as one, plain.open("rb") as other:
        mine = hashlib.file_digest(one, "sha256").hexdigest()
        if mine == hashlib.file_digest(other, "sha256").hexdigest():
            return plain
    stem, _, ending = source.name.partition(".")
    return folder / f"{stem}-{mine[:_HASH_DIGITS]}.{ending}"


def _placements(source: Path, name: str) -> Iterator[Placement]:
    """What each content of the file holds, under the name it will have."""
    today = datetime.now(UTC).date()
    for member, content in read_contents(source):
        if isinstance(content, FileRefused):
            raise content
        full = name if member is None else f"{name}{MEMBER_MARK}{member}"
        yield place(parse(content, today), full)


def _require(placements: tuple[Placement, ...], asserted: Asserted) -> None:
    """Every content must hold what was asserted."""
    for what, wanted in vars(asserted).items():
        found = sorted({str(getattr(item, what)) for item in placements})
        if wanted is not None and found != [str(wanted)]:
            raise FileRefused(
                f"{what}={wanted} was asserted, but the file holds {', '.join(found)}"
            )


def _copy(source: Path, target: Path) -> None:
    staged = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(source, staged)
        staged.replace(target)
    finally:
        staged.unlink(missing_ok=True)
