"""Bringing a lake of an earlier format up to today's (`lake.format`), week by week.

Captures get the contents that are in the landing folder, and files of tables all columns of today;
the number is written last. A week is changed under its lock, and what is done already is
left alone, so a migration that was killed is completed by the next. Nothing is parsed here: the
runs that come after it read the contents by today's rules.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from spine_assets.core.table_schema import completed, polars_schema
from spine_assets.core.tables import Table
from spine_assets.core.weeks import Tier
from spine_assets.lake.base import Lake, LakeFile
from spine_assets.lake.format import FORMAT, stored_format, write_format
from spine_assets.lake.names import LockName
from spine_assets.otc.captures import delivered, storage
from spine_assets.otc.delivery.deliveries import Delivery, Landing, read
from spine_assets.otc.delivery.placement import Grain
from spine_assets.otc.delivery.reasons import FileRefused
from spine_assets.otc.tables import raw
from spine_assets.otc.tables.registry import TABLES

_FILLED = {
    "issue_count": pl.col("issue_count").fill_null(1),
    "build_id": pl.coalesce("build_id", "capture_id"),
    "reported_tiers": pl.col("reported_tiers").fill_null(pl.lit([], pl.List(pl.String))),
    "classes": pl.col("classes").fill_null(pl.lit([], pl.List(pl.String))),
}
"""Columns of today that may not be null; in format 1 each row was one line, and no format before 3
knows totals of FINRA."""


@dataclass
class MigrationResult:
    """What a migration did, or would do.

    Attributes:
        before: The format that was found; equal to `after` if nothing is left to do.
        after: The format of this program.
        weeks: Weeks with captures.
        kept: Captures whose contents the lake had.
        contents: Captures that get their contents from the landing folder.
        rewritten: Files of tables that are written again with all columns.
        without_content: Captures whose contents are nowhere, by week: they stay as they were read.
        seconds: From start to end.
    """

    before: int
    after: int = FORMAT
    weeks: int = 0
    kept: int = 0
    contents: int = 0
    rewritten: int = 0
    without_content: dict[date, list[str]] = field(default_factory=dict)
    seconds: float = 0.0


def weeks_of(lake: Lake) -> list[date]:
    """The weeks that a migration goes through."""
    return lake.weeks(raw.TABLE.name)


def migrate(
    lake: Lake,
    landing: Landing,
    *,
    dry_run: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> MigrationResult:
    """Bring a lake up to today's format.

    Args:
        lake: The lake; in today's format only captures without content are looked at.
        landing: Where contents are looked for.
        dry_run: Change nothing.
        advance: Called after each of `weeks_of`.

    Raises:
        LakeError: the lake cannot be read or written; run it again.
    """
    begun = time.monotonic()
    found = MigrationResult(stored_format(lake))
    for week in weeks_of(lake):
        if dry_run:
            _week(lake, week, landing, found, dry_run=True)
        else:
            with lake.lock(week):
                lake.remove_leftovers(week)
                _week(lake, week, landing, found, dry_run=False)
        found.weeks += 1
        advance()
    if not dry_run and found.before < FORMAT:
        with lake.lock_of(LockName.TABLES):
            write_format(lake)
    found.seconds = time.monotonic() - begun
    return found


def _week(
    lake: Lake, week: date, landing: Landing, found: MigrationResult, *, dry_run: bool
) -> None:
    held = delivered.held(lake, week)
    offered = {
        item.sha256: item for item in (*landing.of_week(week), *landing.totals_of_week(week))
    }
    for item in (*storage.stored(lake, week), *storage.stored(lake, week, Grain.TOTALS)):
        if item.sha256 in held:
            found.kept += 1
        elif (content := _content(offered.get(item.sha256))) is not None:
            found.contents += 1
            if not dry_run:
                delivered.store(lake, week, item.sha256, content)
        else:
            found.without_content.setdefault(week, []).append(item.capture_id)
    tiers = {item.file_name: item.tier for item in storage.stored(lake, week)}
    for table in TABLES:
        for path in lake.files(table.name, week):
            if _lacks_columns(lake, path, table):
                found.rewritten += 1
                if not dry_run:
                    _write_again(lake, path, table, tiers.get(path.name))


def _content(delivery: Delivery | None) -> bytes | None:
    """The content of a delivery; None if there is none, or it was removed or changed."""
    if delivery is None:
        return None
    try:
        return read(delivery)
    except (FileRefused, OSError):
        return None


def _lacks_columns(lake: Lake, path: LakeFile, table: Table) -> bool:
    stored = lake.schema(path)
    return stored is not None and [*stored] != [*polars_schema(table)]


def _write_again(lake: Lake, path: LakeFile, table: Table, tier: Tier | None) -> None:
    """Write the rows of a file with all columns of today; its metadata stay.

    A table that is made of captures is older than its code by then, and is built again.
    """
    lake.verify(path)
    known = {} if tier is None else {"tier_name": tier.value}
    rows = completed(lake.read(path), table, **known)
    rows = rows.with_columns(value.alias(name) for name, value in _FILLED.items() if name in rows)
    lake.publish(lake.stage(rows, path, lake.metadata(path)), path)
