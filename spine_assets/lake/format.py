"""The number of a lake's format: which files it has, and what they hold.

It is in `_format.json` in the lake's root. A lake without that file has format 1.

1  Captures are rows and rejects alone; files of tables may lack columns that were added later.
2  Captures have their delivered contents, unless those were captured in format 1; files of tables
   have all columns of that time.
3  FINRA's control totals are captures of their own; files of tables have all columns. Pins say what
   was decided; those of earlier formats have no action and stay as they are.

This program reads and writes the earlier formats as well; `spine lake migrate` raises the number.
Belongs here: the number. Does not belong here: the migration (`maintenance.migrate_lake`).
"""

from __future__ import annotations

import json
from importlib import metadata

from spine_assets.core.tables import Table
from spine_assets.lake.base import Lake, LakeError
from spine_assets.lake.file_errors import reading
from spine_assets.lake.names import FORMAT_FILE, LockName

FORMAT = 3
"""The format of lakes that begin now."""
FIRST = 1
"""The format of a lake that has no number."""
_PROGRAM = "spine-assets"


class NewerFormat(LakeError):
    """The lake was written by a later version of the program."""


def stored_format(lake: Lake) -> int:
    """The number of a lake's format, by one request.

    Raises:
        NewerFormat: this program does not know the format.
        LakeError: the file is damaged or cannot be read.
    """
    file = lake.root / FORMAT_FILE
    with reading(file):
        try:
            content = file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return FIRST
        try:
            found = json.loads(content)
            number, program = int(found["format"]), str(found["program"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"its content is not that of a format: {error!r}") from error
    if number > FORMAT:
        raise NewerFormat(
            f"{lake.place} is a lake of format {number}, written by {_PROGRAM} {program}; this is "
            f"{_PROGRAM} {_version()}, which reads formats up to {FORMAT}: install {_PROGRAM} "
            f"{program} or later"
        )
    return number


def write_format(lake: Lake, number: int = FORMAT) -> None:
    """Give a lake the number; hold the lock `LockName.TABLES`."""
    file = lake.root / FORMAT_FILE
    lake.remove_leftovers_beside(file)
    content = json.dumps({"format": number, "program": _version()}) + "\n"
    lake.publish(lake.stage_bytes(content.encode(), file), file)


def declare(lake: Lake, tables: tuple[Table, ...], captures: str) -> None:
    """Declare tables, as `Lake.declare`; a lake without captures begins with today's format.

    Args:
        lake: The lake.
        tables: The tables.
        captures: Name of the table of captures.
    """
    if all(lake.is_declared(table) for table in tables):
        return
    if not lake.names(captures) and stored_format(lake) < FORMAT:
        with lake.lock_of(LockName.TABLES):
            write_format(lake)
    lake.declare(tables)


def _version() -> str:
    return metadata.version(_PROGRAM)
