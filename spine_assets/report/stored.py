"""Stored reports: their paths, what they were made from, and whether they are stale.

A page contains a stamp with its inputs and figures, which the index and the check for freshness
read. Belongs here: paths, stamps, freshness. Does not belong here: how a page is made (`building`).
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
from spine_assets.otc.state.freshness import Freshness, build_facts, part_of
from spine_assets.otc.tables import venue_share
from spine_assets.otc.tables.registry import TABLES
from spine_assets.report import NAME
from spine_assets.report.trend import WEEKS, weeks_until

VERSION = "7"
"""Raise it when the same inputs would give a different page."""

PAGE = "report.html"
CHART = "venues.svg"
INDEX = "index.html"
_DIGITS = 12  # as the builds of tables have
_STAMP_BYTES = 8_192  # the stamp is in the head of a page and takes a tenth of that
_STAMP = re.compile(rb'<script type="application/json" id="stamp">(.*?)</script>', re.S)
_RAW = TABLES[0].name
_COMPARED = venue_share.TABLE.name
"""The table whose build changes when the figures of an earlier week do."""

Facts = Callable[[LakeFile], dict[str, Any]]
"""Returns the metadata of a built file."""


@dataclass(frozen=True)
class Stamp:
    """The stamp of a page.

    Attributes:
        inputs: Digest of the builds that it was made from.
        build: Digest of these and of the results of the checks.
        facts: Its figures, by names with units.
    """

    inputs: str
    build: str
    facts: dict[str, Any]

    def text(self) -> str:
        """As JSON for the head of a page."""
        return json.dumps(vars(self), default=str).replace("<", "\\u003c")


def page_path(lake: Lake[FileT], week: date) -> FileT:
    """The page of a week, existing or not."""
    return lake.folder(NAME, week) / PAGE


def chart_path(lake: Lake[FileT], week: date) -> FileT:
    """The chart of a week's venues as a file of its own, existing or not."""
    return lake.folder(NAME, week) / CHART


def index_path(lake: Lake[FileT]) -> FileT:
    """The page that lists all weeks, existing or not."""
    return lake.root / NAME / INDEX


def weeks(lake: Lake) -> list[date]:
    """Weeks that have a page, oldest first."""
    return list(lake.names(NAME, PAGE))


def stamp_of(lake: Lake, path: LakeFile) -> Stamp | None:
    """The stamp of a page; None if the page is missing or has no valid stamp."""
    try:
        found = _STAMP.search(lake.beginning(path, _STAMP_BYTES))
        values = json.loads(found[1]) if found else {}
        return Stamp(values["inputs"], values["build"], values["facts"])
    except (LakeError, KeyError, TypeError, ValueError):
        return None


def inputs(lake: Lake, week: date, facts: Facts | None = None) -> str:
    """Digest of all that a page of a week would be made from now.

    Args:
        lake: The lake.
        week: Week ending.
        facts: A cached `versions.build_facts` of the lake.
    """
    facts = facts or (lambda path: build_facts(lake, path))
    own = [facts(part_of(lake, t.name, week)).get("build") for t in TABLES if t.name != _RAW]
    before = [facts(part_of(lake, _COMPARED, each)).get("build") for each in weeks_until(week)[:-1]]
    return digest([VERSION, own, before])


def freshness(lake: Lake, week: date, facts: Facts | None = None) -> Freshness:
    """Whether a week has a page, and whether it was made from the current tables."""
    stamp = stamp_of(lake, page_path(lake, week))
    if stamp is None:
        return Freshness.MISSING
    return Freshness.FRESH if stamp.inputs == inputs(lake, week, facts) else Freshness.STALE


def stale_after(lake: Lake, built: list[date], facts: Facts | None = None) -> list[date]:
    """Weeks with a stale page that compares with one of the weeks just built."""
    reach = {week + timedelta(weeks=n) for week in built for n in range(1, WEEKS)} - {*built}
    found = {*weeks(lake)} & reach
    return [week for week in sorted(found) if freshness(lake, week, facts) is Freshness.STALE]


def digest(value: Any) -> str:
    """12 hex digits of a plain value."""
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()[:_DIGITS]
