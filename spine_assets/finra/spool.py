"""Pages of an answer that is being fetched, kept so that a broken fetch goes on where it was.

One file an answer, outside the landing folder: a line of what was asked and how many rows it
has, then a line a page. A line without its end was being written when its process died.
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

# What was fetched longer ago may no longer be what FINRA holds.
_KEPT = timedelta(hours=1)
_LOCK_SECONDS = 600.0  # a full-size answer takes another process a minute or two


@dataclass
class Spool:
    """What has come of an answer.

    Attributes:
        path: Its file.
        begun: When its first page was asked for.
        total: How many rows the answer has; None before the first page.
        rows: Rows so far, in the order of the answer.
        resumed: Rows that an earlier fetch left.
    """

    path: Path
    begun: datetime
    total: int | None = None
    rows: list[Row] = field(default_factory=list)
    resumed: int = 0

    def add(self, rows: list[Row], total: int) -> None:
        """Keep a page."""
        if self.total is None:
            self._write({"begun": self.begun.isoformat(), "total": total})
            self.total = total
        self._write(rows)
        self.rows += rows

    def drop(self) -> None:
        """Forget the pages: they are used, or of no use."""
        self.path.unlink(missing_ok=True)
        self.total, self.rows, self.resumed = None, [], 0

    def _write(self, value: Any) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(value, default=str) + "\n")  # decimals as text, so exact


@contextmanager
def spooled(folder: Path, question: Question, now: datetime) -> Iterator[Spool]:
    """The spool of an answer, held by this process alone.

    Raises:
        filelock.Timeout: another process fetches the same answer for too long.
    """
    name = f"{question.week_ending}.{question.tier.api_id}.{question.venue_class or 'all'}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{name}.lock", timeout=_LOCK_SECONDS):
        path = folder / f"{name}.{question.dataset}.jsonl"
        yield _read(path, now) or Spool(path, now)


def _read(path: Path, now: datetime) -> Spool | None:
    """What an earlier fetch left, if it is whole as far as it goes and fresh."""
    try:
        *lines, _cut = path.read_text(encoding="utf-8").split("\n")
        told, *pages = (json.loads(line) for line in lines)
        begun, total = datetime.fromisoformat(told["begun"]), int(told["total"])
        rows = [row for page in pages for row in page]
    except (OSError, ValueError, TypeError, KeyError):
        path.unlink(missing_ok=True)
        return None
    if not timedelta(0) <= now - begun < _KEPT or len(rows) > total:
        path.unlink()
        return None
    # A cut last line goes, so that the next page begins a line.
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return Spool(path, begun, total, rows, len(rows))
