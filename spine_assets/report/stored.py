"""Stored reports: where they stand, what they were made from, and whether that still holds.

A page carries a stamp of itself, so that the index and the question whether it is up to date
need no other memory. Belongs here: paths, stamps, freshness. Does not belong here: how a page is
made (`building`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from spine_assets.lake.base import FileT, Lake, LakeError, LakeFile
from spine_assets.otc.state.versions import Freshness, build_facts, part_of
from spine_assets.otc.tables import venue_share
from spine_assets.otc.tables.registry import TABLES
from spine_assets.report import NAME
from spine_assets.report.trend import WEEKS, weeks_until

VERSION = "2"
"""Raise it when the same inputs would give another page."""

PAGE = "report.html"
CHART = "venues.svg"
_INDEX = "index.html"
_DIGITS = 12  # as the builds of tables have
_STAMP_BYTES = 8_192  # it stands in the head of a page and takes a tenth of that
_STAMP = re.compile(rb'<script type="application/json" id="stamp">(.*?)</script>', re.S)
_RAW = TABLES[0].name
_COMPARED = venue_share.TABLE.name
"""The table whose build tells that an earlier week's figures are others."""

Facts = Callable[[LakeFile], dict[str, Any]]
"""What a built file says of itself."""


@dataclass(frozen=True)
class Stamp:
    """What a page says of itself.

    Attributes:
        inputs: Digest of the builds that it was made from.
        build: Digest of these and of what the checks found.
        facts: Its figures, by name with units.
    """

    inputs: str
    build: str
    facts: dict[str, Any]

    def text(self) -> str:
        """As JSON that may stand in a page."""
        said = {"inputs": self.inputs, "build": self.build, "facts": self.facts}
        return json.dumps(said, default=str).replace("<", "\\u003c")


def page_path(lake: Lake[FileT], week: date) -> FileT:
    """The page of a week, existing or not."""
    return lake.folder(NAME, week) / PAGE


def chart_path(lake: Lake[FileT], week: date) -> FileT:
    """The chart of a week's venues as a file of its own, existing or not."""
    return lake.folder(NAME, week) / CHART


def index_path(lake: Lake[FileT]) -> FileT:
    """The page that lists all weeks, existing or not."""
    return lake.root / NAME / _INDEX


def weeks(lake: Lake) -> list[date]:
    """Weeks that have a page, oldest first."""
    return list(lake.names(NAME, PAGE))


def stamp_of(lake: Lake, path: LakeFile) -> Stamp | None:
    """What a page says of itself; None where it is missing or is not one of ours."""
    try:
        found = _STAMP.search(lake.beginning(path, _STAMP_BYTES))
        said = json.loads(found[1]) if found else {}
        return Stamp(said["inputs"], said["build"], said["facts"])
    except (LakeError, KeyError, TypeError, ValueError):
        return None


def inputs(lake: Lake, week: date, facts: Facts | None = None) -> str:
    """Digest of all that a page of a week would be made from now.

    Args:
        lake: Where.
        week: Week ending.
        facts: `versions.build_facts` of the lake, or one that remembers.
    """
    facts = facts or (lambda path: build_facts(lake, path))
    own = [facts(part_of(lake, t.name, week)).get("build") for t in TABLES if t.name != _RAW]
    before = [facts(part_of(lake, _COMPARED, each)).get("build") for each in weeks_until(week)[:-1]]
    return digest([VERSION, own, before])


def freshness(lake: Lake, week: date, facts: Facts | None = None) -> Freshness:
    """Whether a week has a page, and whether it tells what the tables hold now."""
    held = stamp_of(lake, page_path(lake, week))
    if held is None:
        return Freshness.MISSING
    return Freshness.FRESH if held.inputs == inputs(lake, week, facts) else Freshness.STALE


def stale_after(lake: Lake, built: list[date], facts: Facts | None = None) -> list[date]:
    """Weeks whose page looks back at one of the weeks just built and tells it as it was."""
    reach = {week + timedelta(weeks=n) for week in built for n in range(1, WEEKS)} - {*built}
    held = {*weeks(lake)} & reach
    return [week for week in sorted(held) if freshness(lake, week, facts) is Freshness.STALE]


def digest(value: Any) -> str:
    """12 hex of a plain value."""
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()[:_DIGITS]
