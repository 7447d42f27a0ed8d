"""Everything that a lake holds, by the lock under which it is changed.

Locks, temporary files and whatever has a hidden name do not count. Belongs here: finding files and
their order. Does not belong here: copying them (`copy_lake`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from spine_assets.lake import checksum
from spine_assets.lake.base import FileT, Lake
from spine_assets.lake.names import UNPARTITIONED, LockName, week_of
from spine_assets.otc.captures import delivered, pins
from spine_assets.otc.captures.storage import CONTROL_RAW
from spine_assets.otc.state.freshness import RULE_PART
from spine_assets.otc.tables import raw, rejects

_PARQUET = ".parquet"
_HIDDEN = ("_", ".")
# What is written first has the lowest rank: a capture's rows are its commit, so they come after
# its content and its rejects; whatever is built from captures comes after them.
_RANKS = {
    delivered.FOLDER: 0,
    rejects.TABLE.name: 1,
    raw.TABLE.name: 2,
    CONTROL_RAW: 2,
    pins.TABLE.name: 3,
}
_BUILT, _PAGE = 4, 5
_NEVER_REPLACED = (_RANKS[delivered.FOLDER], _RANKS[pins.TABLE.name])


@dataclass(frozen=True, order=True)
class LakeName:
    """A file by its place below a lake's root; they sort in the order of writing.

    Attributes:
        rank: When it is written.
        folder: Its folder within the table's; empty for a file directly in the table's folder.
    """

    rank: int
    table: str
    folder: str
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in (self.table, self.folder, self.name) if part)

    @property
    def is_never_replaced(self) -> bool:
        """Whether it is a delivered content or a pin; all else is made from these."""
        return self.rank in _NEVER_REPLACED

    @property
    def is_parquet(self) -> bool:
        """Whether it holds rows."""
        return self.name.endswith(_PARQUET)

    @property
    def is_content(self) -> bool:
        """Whether it is a delivered content."""
        return self.rank == _RANKS[delivered.FOLDER]

    def verify(self, content: bytes) -> None:
        """Compare the file's bytes with its checksum, if it has one.

        Raises:
            ValueError: they are not what was written.
        """
        if self.is_parquet:
            checksum.verify(content)
        elif self.is_content:
            delivered.unpack(content, delivered.hash_in(self.name))

    def at(self, lake: Lake[FileT]) -> FileT:
        """That file of a lake, existing or not."""
        place = lake.root / self.table
        return (place / self.folder if self.folder else place) / self.name


def contents(lake: Lake) -> dict[LockName, list[LakeName]]:
    """All files by the name of the lock that is held while they change.

    Locks are in the order of a copy: empty files, weeks from the oldest on, then what has no week.
    It takes one list request per table, and one for each of its folders without a week.
    """
    found: dict[LockName, list[LakeName]] = defaultdict(list)
    for table in tables(lake):
        for week, names in lake.names(table, "").items():
            found[LockName.week(week)] += [
                _named(table, f"week_ending={week}", name) for name in names
            ]
        for entry in lake.entries(table):
            if week_of(entry) is None and not entry.startswith(_HIDDEN):
                lock, here = _of_no_week(lake, table, entry)
                found[lock] += here
    return {lock: sorted(found[lock]) for lock in sorted(found, key=_order) if found[lock]}


def present(
    lake: Lake, lock: LockName, listed: Iterable[LakeName], known: Iterable[str]
) -> list[LakeName]:
    """The files of a lock that exist now, in the order of writing; to be called under the lock.

    A week's tables and contents are listed again, so that none is left out that came after the
    first list, or that a list of a bucket does not show yet.

    Args:
        lake: The lake.
        lock: Name of the lock.
        listed: Its files according to `contents`.
        known: The tables according to `tables`.
    """
    week = lock.of_week
    if week is None:
        return sorted(name for name in listed if name.at(lake).exists())
    found = {name for name in listed if name.rank == _PAGE and name.at(lake).exists()}
    for table in known:
        files = lake.files(table, week)
        if table == delivered.FOLDER:
            files = lake.files(table, week, delivered.SUFFIX)
        found |= {_named(table, f"week_ending={week}", file.name) for file in files}
    return sorted(found)


def tables(lake: Lake) -> list[str]:
    """Names of the folders that hold tables or pages."""
    return [name for name in lake.entries() if not name.startswith(_HIDDEN)]


def _of_no_week(lake: Lake, table: str, entry: str) -> tuple[LockName, list[LakeName]]:
    """Lock and files of an entry of a table's folder that is no week."""
    within = [name for name in lake.entries(table, entry) if not name.startswith(_HIDDEN)]
    here = [_named(table, entry, name) for name in within]
    if entry == UNPARTITIONED:
        return LockName.table(table), here
    if within or "=" in entry:
        return LockName.TABLES, here
    return LockName.REPORTS, [_named(table, "", entry)]


def _named(table: str, folder: str, name: str) -> LakeName:
    suffix = delivered.SUFFIX if table == delivered.FOLDER else _PARQUET
    if not name.endswith(suffix):
        return LakeName(_PAGE, table, folder, name)
    is_built = name == RULE_PART or week_of(folder) is None
    return LakeName(_BUILT if is_built else _RANKS.get(table, _BUILT), table, folder, name)


def _order(lock: LockName) -> tuple[int, str]:
    return (0 if lock == LockName.TABLES else 1 if lock.of_week else 2), lock.text
