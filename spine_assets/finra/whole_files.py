"""Writing a file so that nobody ever reads half of it."""

from __future__ import annotations

import uuid
from pathlib import Path

from spine_assets.whole_writes import write_synced


def put(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, with the folders it needs.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")  # no scan looks at it
    try:
        write_synced(staged, bytearray(content))
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
