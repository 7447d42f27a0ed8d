"""The number of a lake's format (which files it has, and what they hold), and the lake's id.

Both are in `_format.json` in the lake's root. A lake without that file has format 1.

1  Captures are rows and rejects alone; files of tables may lack columns that were added later.
2  Captures have their delivered contents, unless those were captured in format 1; files of tables
   have all columns of that time.
3  FINRA's control totals are captures of their own; files of tables have all columns. Pins say what
   was decided; those of earlier formats have no action and stay as they are.

This program reads and writes the earlier formats as well; `spine lake migrate` raises the number.

The id tells the lake from every other one: Dagster's history and the database name the lake that
they are of. A copy has the id of its source, so that a restored or moved lake stays the same one. A
lake of an earlier version gets its id when its tables are declared the next time.

Belongs here: number and id. Does not belong here: the migration (`maintenance.migrate_lake`).
"""

from __future__ import annotations

import json
import logging
from importlib import metadata
from typing import NamedTuple
from uuid import uuid4

from spine_assets.core.tables import Table
from spine_assets.lake.base import Lake, LakeError, LakeUnavailable
from spine_assets.lake.file_errors import reading
from spine_assets.lake.names import FORMAT_FILE, LockName

FORMAT = 3
"""The format of lakes that begin now."""
FIRST = 1
"""The format of a lake that has no number."""
_PROGRAM = "spine-assets"
_logger = logging.getLogger(__name__)


class _Stored(NamedTuple):
    number: int = FIRST
    lake_id: str | None = None


class NewerFormat(LakeError):
    """The lake was written by a later version of the program."""


def stored_format(lake: Lake) -> int:
    """The number of a lake's format, by one request.

    Raises:
        NewerFormat: this program does not know the format.
        LakeError: the file is damaged or cannot be read.
    """
    return _stored(lake).number


def lake_id(lake: Lake) -> str | None:
    """The id of a lake, by one request; None where it has none yet. Raises as `stored_format`."""
    return _stored(lake).lake_id


def _stored(lake: Lake) -> _Stored:
    file = lake.root / FORMAT_FILE
    with reading(file):
        try:
            content = file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return _Stored()
        try:
            found = json.loads(content)
            number, program = int(found["format"]), str(found["program"])
            identity = found.get("lake_id")
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"its content is not that of a format: {error!r}") from error
    if number > FORMAT:
        raise NewerFormat(
            f"{lake.place} is a lake of format {number}, written by {_PROGRAM} {program}; this is "
            f"{_PROGRAM} {_version()}, which reads formats up to {FORMAT}: install {_PROGRAM} "
            f"{program} or later"
        )
    return _Stored(number, None if identity is None else str(identity))


def write_format(lake: Lake, number: int = FORMAT, identity: str | None = None) -> None:
    """Give a lake the number, and an id if it has none; hold the lock `LockName.TABLES`.

    Args:
        lake: The lake.
        number: Of its format.
        identity: The id; None adds none.
    """
    file, kept = lake.root / FORMAT_FILE, _stored(lake).lake_id or identity
    lake.remove_leftovers_beside(file)
    found = {"format": number, "program": _version()} | ({"lake_id": kept} if kept else {})
    lake.publish(lake.stage_bytes(f"{json.dumps(found)}\n".encode(), file), file)


def copy_format(source: Lake, target: Lake) -> None:
    """Give a copy the format of its source, and the id where the copy has none."""
    ours, theirs = _stored(source), _stored(target)
    if ours.number != theirs.number or (ours.lake_id and not theirs.lake_id):
        with target.lock_of(LockName.TABLES):
            write_format(target, ours.number, ours.lake_id)


def empty(lake: Lake) -> None:
    """Delete all tables of a lake, which begins again in today's format and keeps its id."""
    identity = lake_id(lake)
    lake.remove()
    if identity is not None:
        with lake.lock_of(LockName.TABLES):
            write_format(lake, identity=identity)


def declare(lake: Lake, tables: tuple[Table, ...], captures: str) -> None:
    """Declare tables, as `Lake.declare`; a lake without captures begins with today's format.

    A lake without an id gets one; one that cannot be written stays without.

    Args:
        lake: The lake.
        tables: The tables.
        captures: Name of the table of captures.
    """
    if not all(lake.is_declared(table) for table in tables):
        if not lake.names(captures) and stored_format(lake) < FORMAT:
            with lake.lock_of(LockName.TABLES):
                write_format(lake)
        lake.declare(tables)
    if lake_id(lake) is None:
        try:
            with lake.lock_of(LockName.TABLES):
                # Of several processes the first one decides.
                write_format(lake, stored_format(lake), uuid4().hex)
        except LakeUnavailable as error:
            _logger.debug("%s has no id yet: %s", lake.place, error)


def _version() -> str:
    return metadata.version(_PROGRAM)
