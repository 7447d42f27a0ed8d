"""The index: every week that has a report, newest first, from the stamps of the pages."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from spine_assets.core.weeks import weeks_between
from spine_assets.lake.base import Lake
from spine_assets.lake.names import LockName
from spine_assets.lake.replace import replace_file
from spine_assets.report import NAME, browse, page, stored


def write(lake: Lake) -> None:
    """Write the index.

    Raises:
        LakeError: the lake cannot be written.
    """
    with lake.lock_of(LockName.REPORTS):
        if isinstance(lake.root, Path):
            browse.remove_leftovers(lake.root / NAME)
        replace_file(lake, stored.index_path(lake), html(lake).encode())


def is_newer(folder: Path) -> bool:
    """Whether it was written after the names that it searches; a killed run may not have."""
    place, names = folder / stored.INDEX, folder / browse.NAMES
    return place.exists() and place.stat().st_mtime_ns >= names.stat().st_mtime_ns


def html(lake: Lake) -> str:
    """The page: one row per week, and a list of the weeks in between without a report."""
    rows: list[dict[str, Any]] = [
        {"week": week, "facts": stamp.facts, "href": f"week_ending={week}/{stored.PAGE}"}
        for week in reversed(stored.weeks(lake))
        if (stamp := stored.stamp_of(lake, stored.page_path(lake, week))) is not None
    ]
    newest = next((row for row in rows if row["facts"]["is_complete"]), None)
    present = {row["week"] for row in rows}
    between = weeks_between(min(present), max(present)) if present else []
    folder = lake.root / NAME
    names = browse.names(folder) if isinstance(folder, Path) else []
    script = page.source("index.js")
    return page.render(
        "index.html.j2",
        names=names,
        names_of=browse.names_of(folder) if isinstance(folder, Path) else "",
        counts=Counter(name[0] for name in names),
        weeks=sorted(str(row["week"]) for row in rows),
        csv_rows=[{n: v for n, v in row["facts"].items() if n != "movers"} for row in rows],
        script=script,
        script_hash=page.script_hash(script),
        rows=rows,
        newest=newest,
        missing=[week for week in between if week not in present],
        is_synthetic=any(row["facts"]["is_synthetic"] for row in rows),
    )
