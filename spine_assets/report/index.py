"""The index: every week that has a report, the newest first, told by the stamps of the pages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from spine_assets.lake.base import Lake
from spine_assets.lake.names import LockName
from spine_assets.lake.replace import replace_file
from spine_assets.report import page, stored


def write(lake: Lake) -> None:
    """Write the index anew.

    Raises:
        LakeError: the lake cannot be written.
    """
    with lake.lock_of(LockName.REPORTS):
        replace_file(lake, stored.index_path(lake), html(lake).encode())


def html(lake: Lake) -> str:
    """The page: a row a week, and weeks in between that have none named as such."""
    told = {
        week: stored.stamp_of(lake, stored.page_path(lake, week)) for week in stored.weeks(lake)
    }
    rows: list[dict[str, Any]] = [
        {"week": week, "facts": stamp.facts, "href": f"week_ending={week}/{stored.PAGE}"}
        for week, stamp in sorted(told.items(), reverse=True)
        if stamp is not None
    ]
    newest = next((row for row in rows if row["facts"]["is_complete"]), None)
    return page.render(
        "index.html.j2",
        rows=rows,
        newest=newest,
        missing=_gaps(row["week"] for row in rows),
        is_synthetic=any(row["facts"]["is_synthetic"] for row in rows),
    )


def _gaps(weeks: Iterable[date]) -> list[date]:
    """Weeks between the first and the last that are not there."""
    held: set[Any] = {*weeks}
    if not held:
        return []
    first, last = min(held), max(held)
    each = (first + timedelta(weeks=n) for n in range((last - first).days // 7 + 1))
    return [week for week in each if week not in held]
