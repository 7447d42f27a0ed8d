"""Copying a file into the landing folder, below folders that assert its week, tier and class.

The file is examined first: one that would be refused there, or that contradicts what is asserted,
is not copied. It is copied under a hidden name and renamed, so that no run reads half of it. The
original stays where it is.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.lake.atomic_write import replacing
from spine_assets.otc.delivery.archives import MEMBER_MARK, read_contents
from spine_assets.otc.delivery.file_format import parse
from spine_assets.otc.delivery.listing import is_listed_name
from spine_assets.otc.delivery.parts import placements
from spine_assets.otc.delivery.placement import Placement
from spine_assets.otc.delivery.reasons import FileRefused

_HASH_DIGITS = 12


@dataclass(frozen=True)
class Asserted:
    """What a person asserts about a file; None is no assertion."""

    week_ending: date | None = None
    tier: Tier | None = None
    venue_class: VenueClass | None = None

    @property
    def folder(self) -> Path:
        """Below the landing folder; week and class are read back from it."""
        values = {"week_ending": self.week_ending, "tier": self.tier, "class": self.venue_class}
        return Path(*(f"{name}={value}" for name, value in values.items() if value is not None))


@dataclass(frozen=True)
class Submitted:
    """Where a file is in the landing folder, and what it holds."""

    path: Path
    placements: tuple[Placement, ...]
    copied: bool

    @property
    def weeks(self) -> list[date]:
        """Its weeks, oldest first."""
        return sorted({item.week_ending for item in self.placements})


def submit(file: Path, landing: Path, asserted: Asserted, *, dry_run: bool = False) -> Submitted:
    """Put a file into the landing folder.

    Args:
        file: Any readable file with a known ending, inside the landing folder or not.
        landing: The landing folder.
        asserted: What it is asserted to hold.
        dry_run: Examine it and copy nothing.

    Raises:
        FileRefused: it cannot be used, or does not hold what was asserted.
        OSError: it cannot be read or copied.
    """
    if not is_listed_name(file.name):
        raise FileRefused(
            f"{file.name} would be ignored in the landing folder: rename it so that it ends in "
            ".csv, .psv, .txt, .json, .jsonl (also with .gz) or .zip and does not begin with a "
            "dot, ~ or _"
        )
    source, root = file.resolve(), landing.resolve()
    inside = source.is_relative_to(root)
    target = source if inside else _target(source, root / asserted.folder)
    placements = tuple(_placements(source, target.relative_to(root).as_posix()))
    _require(placements, asserted)
    exists = inside or target.exists()
    if not exists and not dry_run:
        _copy(source, target)
    return Submitted(target, placements, copied=not exists)


def _target(source: Path, folder: Path) -> Path:
    """A path that does not exist yet, or has the same bytes already."""
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
        yield from placements(parse(content, today), full)


def _require(placements: tuple[Placement, ...], asserted: Asserted) -> None:
    """Every content must hold what was asserted."""
    for what, wanted in vars(asserted).items():
        found = sorted({str(getattr(item, what)) for item in placements})
        if wanted is not None and found != [str(wanted)]:
            raise FileRefused(
                f"{what}={wanted} was asserted, but the file holds {', '.join(found)}; correct "
                "the one or the other"
            )


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as staged:
        shutil.copyfile(source, staged)
