"""Names in a lake: of folders, of files and of locks; the same in a folder and in a bucket.

<root>/<table>/week_ending=YYYY-MM-DD/<file>.parquet
<root>/<table>/all/data.parquet                        a table without weeks
<root>/_format.json                                    the number of its format, and its id
<root>/_unfinished_copy                                of a copy that is not complete: its source
<root>/_locks/<name>.lock
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from fnmatch import translate
from functools import cache
from typing import ClassVar, Self

PART = "data.parquet"
"""Name of the one file of a derived table's week."""

UNPARTITIONED = "all"
"""Folder of a table without weeks."""

EMPTY_WEEK = "week_ending=__HIVE_DEFAULT_PARTITION__"
"""Folder of the file without rows."""

EMPTY_PART = "empty.parquet"
"""Name of that file."""

LOCKS = "_locks"
"""Folder of the locks; its first letter marks it as no table."""

FORMAT_FILE = "_format.json"
"""Name of the file with the number of the format and the id of the lake."""

UNFINISHED_COPY = "_unfinished_copy"
"""Name of the file that a lake has while it is copied from another place."""

_WEEK_FOLDER = "week_ending=2"  # of a real week; the empty one begins otherwise
_DAY, _CLOCK = "[0-9]" * 8, "[0-9]" * 6
_CAPTURE = f"[NO]*ATS.{_DAY}T{_CLOCK}Z-{'[0-9a-f]' * 12}"
# A capture of a part of a content also has the part's class and grain, venues or totals.
_WHOLE, _OF_PART = f"{_CAPTURE}.parquet", f"{_CAPTURE}-*ats-[vt][eo][nt][ua][el]s.parquet"
# The same exactly: a pattern lets more pass.
_EXACT = (
    r"(?:NMS_TIER_[12]|OTC)\.(?:NON_)?ATS\.[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}"
    r"(?:-(?:non_)?ats-(?:venues|totals))?\.parquet"
)
_REJECTS = "otc_rejects"
_CAPTURED = ("otc_raw", "otc_control_raw", _REJECTS)
# As patterns that Python and DuckDB read alike, by table; a derived table's week has one file.
_PUBLISHED = {
    "otc_raw": (_WHOLE, _OF_PART),
    "otc_control_raw": (_WHOLE, _OF_PART),
    _REJECTS: ("rule.parquet", f"parse.{_WHOLE}", f"parse.{_OF_PART}"),
    "otc_pins": (f"{_DAY}T{_CLOCK * 2}Z.[NO]*ATS.parquet",),
    "otc_delivered": (f"{'[0-9a-f]' * 64}.zst",),
}


def week_of(folder: str) -> date | None:
    """The week that a folder is named after; None for others, the empty one among them."""
    return _week(folder.partition("=")[2]) if folder.startswith(_WEEK_FOLDER) else None


def is_published(table: str, name: str, suffix: str = ".parquet") -> bool:
    """Whether a name is that of a published file of a table: no temporary one, no stranger.

    Pages of reports and other files that hold no rows may have any name.
    """
    if not name or not name.endswith(suffix) or name.startswith("."):
        return False
    if table not in _PUBLISHED and not name.endswith(".parquet"):
        return True
    return _names_of(table).fullmatch(name) is not None


@cache
def _names_of(table: str) -> re.Pattern[str]:
    if table not in _CAPTURED:
        return re.compile("|".join(map(translate, patterns(table))))
    return re.compile(rf"rule\.parquet|parse\.{_EXACT}" if table == _REJECTS else _EXACT)


def is_stranger(table: str, name: str) -> bool:
    """Whether a file was not published by us, such as the copy that a sync program made."""
    return not name.startswith(".") and not is_published(table, name, "")


def patterns(table: str) -> tuple[str, ...]:
    """The names that published files of a table have in the folder of a week."""
    return _PUBLISHED.get(table, (PART,))


@dataclass(frozen=True)
class LockName:
    """What a lock protects; its text is the name of the lock's file without `.lock`."""

    text: str

    TABLES: ClassVar[LockName]  # the empty files of all tables
    REPORTS: ClassVar[LockName]  # the index of reports
    EXPORTS: ClassVar[LockName]  # files that steps of pipelines write
    PROVENANCE: ClassVar[LockName]  # what a lake without captures will hold: FINRA's or synthetic
    LANDING: ClassVar[LockName]  # names in the landing folder, for those who download into it
    DOCTOR: ClassVar[LockName]  # nothing: it is taken to see whether a lock can be had

    def __str__(self) -> str:
        return self.text

    @property
    def meaning(self) -> str:
        """What it protects, in words."""
        return f"week {self.text}" if self.of_week else self.text

    @classmethod
    def week(cls, week: date) -> Self:
        """All files of one week."""
        return cls(str(week))

    @classmethod
    def table(cls, table: str) -> Self:
        """The file of a table without weeks."""
        return cls(f"{table}-{UNPARTITIONED}")

    @classmethod
    def pipeline(cls, pipeline: str, partition: date | str | None) -> Self:
        """The runs of a pipeline for one partition, or of one without partitions."""
        return cls(f"pipeline-{pipeline}-{partition or UNPARTITIONED}")

    @property
    def of_week(self) -> date | None:
        """The week that it protects; None for what has no week."""
        return _week(self.text)


LockName.TABLES = LockName("tables")
LockName.REPORTS = LockName("reports")
LockName.EXPORTS = LockName("exports")
LockName.PROVENANCE = LockName("provenance")
LockName.LANDING = LockName("landing")
LockName.DOCTOR = LockName("doctor")


def _week(text: str) -> date | None:
    """A week in the one spelling that folders and locks have; None for any other text."""
    try:
        week = date.fromisoformat(text)
    except ValueError:
        return None  # somebody's own folder, such as a copy
    return week if str(week) == text else None
