"""Taking synthetic data out of a data folder: delivered files, captures, and tables made of them.

What is synthetic is known by the rows, so FINRA's files stay wherever they are. Files are taken out
of the landing folder first: what is still there would be built again by the next run. Belongs here:
landing folder and lake. Does not belong here: Dagster's record and the database, which follow the
lake (`cli.synthetic`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from spine_assets.lake.base import Lake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.model import Capture
from spine_assets.otc.delivery.archives import MEMBER_MARK
from spine_assets.otc.delivery.deliveries import Landing
from spine_assets.otc.delivery.provenance import Provenance
from spine_assets.otc.tables import raw
from spine_assets.pipelines.steps.workspace import tenant_lake, tenants_in
from spine_assets.report import NAME as REPORT
from spine_assets.report import browse, index, stored


@dataclass(frozen=True)
class SyntheticData:
    """What of a data folder is synthetic.

    Attributes:
        weeks: Weeks with a synthetic capture.
        files: Delivered files with synthetic rows alone.
        left: Delivered files with synthetic rows and something else, which stay.
    """

    weeks: list[date]
    files: list[Path]
    left: list[Path]

    def __bool__(self) -> bool:
        return bool(self.weeks or self.files)


def find(lake: Lake, landing: Landing, folder: Path) -> SyntheticData:
    """Look for synthetic data.

    Args:
        lake: The lake.
        landing: What is delivered.
        folder: The landing folder.

    Raises:
        LakeError: a capture cannot be read.
    """
    weeks = [
        week
        for week in captures.names(lake)
        if any(map(_is_synthetic, captures.known_of(lake, week).every))
    ]
    kinds: dict[Path, set[Provenance | None]] = {}
    for item in (*landing.deliveries, *landing.totals):
        kinds.setdefault(item.path, set()).update(item.provenance or (None,))
    for refused in landing.unusable:
        kinds.setdefault(folder / refused.name.partition(MEMBER_MARK)[0], set()).add(None)
    with_some = {path: found for path, found in kinds.items() if Provenance.SYNTHETIC in found}
    files = sorted(path for path, found in with_some.items() if found == {Provenance.SYNTHETIC})
    return SyntheticData(sorted(weeks), files, sorted({*with_some} - {*files}))


def remove_files(found: SyntheticData, folder: Path) -> None:
    """Delete the delivered files, and folders below the landing folder that are empty then."""
    for path in found.files:
        path.unlink(missing_ok=True)
        for parent in path.parents:
            if parent == folder or not parent.is_relative_to(folder):
                break
            with suppress(OSError):  # it is not empty
                parent.rmdir()


def remove_weeks(found: SyntheticData, lake: Lake, advance: Callable[[], None]) -> None:
    """Delete the captures, and all tables of weeks that have no others.

    Of a week with FINRA's captures too, the tables are stale then: its next run builds them.

    Raises:
        LakeError: a week cannot be read or written.
    """
    for week in found.weeks:
        with lake.lock(week):
            every = captures.known_of(lake, week).every
            synthetic = [item for item in every if _is_synthetic(item)]
            if any(item.provenance for item in every if item not in synthetic):
                for item in synthetic:
                    captures.raw_path(lake, item).unlink(missing_ok=True)
                captures.remove_uncommitted(lake, week)
            else:
                for tenant in tenants_in(lake):
                    tenant_lake(lake, tenant).remove_week(week)
                lake.remove_week(week, last=raw.TABLE.name)
        advance()


def write_index(lake: Lake) -> None:
    """Write the index of the reports that are left, if there is one.

    Where no week is left, the pages of symbols and venues are deleted; else a run writes them.

    Raises:
        LakeError: the lake cannot be written.
    """
    if isinstance(lake.root, Path) and not lake.weeks(raw.TABLE.name):
        browse.remove(lake, lake.root / REPORT)
    if stored.index_path(lake).exists():
        index.write(lake)


def _is_synthetic(item: Capture) -> bool:
    return Provenance.SYNTHETIC in item.provenance
