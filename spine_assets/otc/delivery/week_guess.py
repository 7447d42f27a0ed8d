"""A first guess at the week of a file, from its name and its first line.

A run over many weeks reads each file when its week is built, so it needs an order in which to read
them. The guess decides that order, and which week a refused file is reported on; `placement` finds
the week of a usable one from all lines.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from spine_assets.core.weeks import tier_of, week_ending_of, week_published_on
from spine_assets.otc.delivery import content_kind
from spine_assets.otc.delivery.file_format import first_row
from spine_assets.otc.delivery.line_schema import WEEK_DATES
from spine_assets.otc.delivery.path_claims import path_week
from spine_assets.otc.delivery.reasons import FileRefused

_HEAD_BYTES = 4_096  # a header has about 300, a line about 100


def guess_week(name: str, path: Path) -> date | None:
    """The week ending that a file probably holds, or None if its first line does not show it."""
    try:
        return guess_week_of_content(name, _beginning(path))
    except (OSError, EOFError, zlib.error):
        return None


def guess_week_of_content(name: str, content: bytes) -> date | None:
    """The same of a content, or of its beginning; blank where it cannot be read."""
    try:
        return path_week(name) or _week_in(_first_row(content[:_HEAD_BYTES]))
    except (FileRefused, ValueError):
        return None


def _beginning(path: Path) -> bytes:
    """The first bytes of a file's content; none of an archive, which may hold many files."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        if head.startswith((content_kind.ZIP, content_kind.EMPTY_ZIP)):
            return b""
        if head.startswith(content_kind.GZIP):
            stream.seek(0)
            return gzip.GzipFile(fileobj=stream).read(_HEAD_BYTES)
        return head


def _first_row(head: bytes) -> dict[str, str]:
    """The first row's fields by name."""
    return {name: field.strip() for name, field in first_row(head).items()} if head else {}


def _week_in(row: Mapping[str, str]) -> date | None:
    for name in WEEK_DATES:
        if row.get(name):
            return week_ending_of(date.fromisoformat(row[name]))
    tier = tier_of(row.get("tierDescription", ""))
    day = row.get("lastUpdateDate")
    return week_published_on(date.fromisoformat(day), tier) if tier and day else None
