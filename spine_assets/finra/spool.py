"""Pages of an answer that is being fetched, kept so that an interrupted fetch can continue.

There is one file per answer, outside the landing folder: a line with the start time and the number
of rows, then one line per page. A line without an end was being written when its process died.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock

from spine_assets.finra.answers import Row
from spine_assets.finra.api import Question

_KEPT = timedelta(hours=1)  # older pages may no longer be what FINRA has
_LOCK_SECONDS = 600.0  # another process needs 1 to 2 minutes for a full-size answer


@dataclass
class Spool:
    """The received pages of an answer.

    Attributes:
        path: Its file.
        begun: When its first page was requested.
        total: Number of rows of the answer; None before the first page.
        pages: Rows of each page so far.
        resumed: Number of rows from an earlier, interrupted fetch.
    """

    path: Path
    begun: datetime
    total: int | None = None
    pages: list[list[Row]] = field(default_factory=list)
    resumed: int = 0

    @property
    def rows(self) -> list[Row]:
        """Rows so far, in the order of the answer."""
        return [row for page in self.pages for row in page]

    @property
    def count(self) -> int:
        """Number of rows so far."""
        return sum(map(len, self.pages))

    def add(self, rows: list[Row], total: int) -> None:
        """Add a page."""
        if self.total is None:
            self._write({"begun": self.begun.isoformat(), "total": total})
            self.total = total
        self._write(rows)
        self.pages.append(rows)

    def drop(self) -> None:
        """Delete the pages."""
        self.path.unlink(missing_ok=True)
        self.total, self.pages, self.resumed = None, [], 0

    def _write(self, value: Any) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(value, default=str) + "\n")  # decimals as text, so exact


@contextmanager
def spooled(folder: Path, question: Question, now: datetime) -> Iterator[Spool]:
    """The spool of an answer, locked by this process.

    Raises:
        filelock.Timeout: another process is still fetching the same answer.
    """
    what = question.venue_class or "all"
    name = f"{question.week_ending}.{question.tier.api_id}.{what}"
    if not question.with_totals:
        name += ".rows"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{name}.lock", timeout=_LOCK_SECONDS):
        path = folder / f"{name}.{question.dataset}.jsonl"
        yield _read(path, now) or Spool(path, now)


def _read(path: Path, now: datetime) -> Spool | None:
    """The pages of an earlier fetch, if they are readable and recent."""
    try:
        *lines, _cut = path.read_text(encoding="utf-8").split("\n")
        head, *pages = (json.loads(line) for line in lines)
        begun, total = datetime.fromisoformat(head["begun"]), int(head["total"])
        spool = Spool(path, begun, total, pages)
        spool.resumed = spool.count
    except (OSError, ValueError, TypeError, KeyError):
        path.unlink(missing_ok=True)
        return None
    if not timedelta(0) <= now - begun < _KEPT or spool.resumed > total:
        path.unlink()
        return None
    # An incomplete last line is removed, so that the next page starts a line.
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return spool
