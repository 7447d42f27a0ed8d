"""The delivered text of captured lines, read again and verified.

It is in the delivered content that the lake keeps; of a capture without one, it is looked for in
the landing folder. A text is given only if it is verified: the content has the capture's sha256
and the line's fields have the record hash of the row, or fields written again from the row have
that hash.
Does not belong here: which lines are traced (`trace`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import polars as pl

from spine_assets.lake.base import Lake
from spine_assets.otc.captures import delivered
from spine_assets.otc.captures.model import Capture
from spine_assets.otc.delivery.archives import MEMBER_MARK, read_contents
from spine_assets.otc.delivery.file_format import Opened, opened
from spine_assets.otc.delivery.line_schema import DELIVERED, SPACES
from spine_assets.otc.delivery.line_split import record_hash
from spine_assets.otc.delivery.reasons import FileRefused
from spine_assets.otc.tables import rejects

_FINRAS_FORM = Opened()


class FileIs(StrEnum):
    """Where the delivered content is, or what happened to its file since it was captured."""

    KEPT = "kept in the lake"
    UNCHANGED = "unchanged"
    GONE = "gone"
    CHANGED = "changed"
    UNREADABLE = "unreadable"


class TextIs(StrEnum):
    """Where the text of a line is from, or why there is none."""

    AS_DELIVERED = "as delivered"
    """The line of the file, without its line end."""
    REBUILT = "rebuilt, hash equal"
    """FINRA's eight fields in the order of its header, written again from the row."""
    GONE = "file is gone"
    CHANGED = "file was changed"
    UNREADABLE = "file is unreadable"


_NO_TEXT = {
    FileIs.KEPT: TextIs.UNREADABLE,  # today's rules do not find the line in it
    FileIs.UNCHANGED: TextIs.CHANGED,  # the line is not the one that was hashed
    FileIs.GONE: TextIs.GONE,
    FileIs.CHANGED: TextIs.CHANGED,
    FileIs.UNREADABLE: TextIs.UNREADABLE,
}


@dataclass(frozen=True)
class Delivered:
    """A capture's content now; it has lines only if it is kept, or its file is unchanged.

    Without them it is taken to have the form of FINRA's download file.
    """

    state: FileIs
    content: Opened = _FINRAS_FORM

    def field(self, line: str, name: str) -> str | None:
        """A field of a line, trimmed; None if the line is too short to have it."""
        fields, place = self.content.fields(line), self.content.header.index(name)
        return fields[place].strip(SPACES) if place < len(fields) else None


def find(lake: Lake, landing: Path, capture: Capture) -> Delivered:
    """Look for a capture's content in the lake, else where it was delivered.

    Raises:
        LakeError: the content in the lake is damaged.
    """
    week, sha256 = capture.week_ending, capture.sha256
    if delivered.path(lake, week, sha256).exists():
        content = delivered.read(lake, week, sha256)
        try:
            return _with_lines(FileIs.KEPT, content)
        except FileRefused:
            return Delivered(FileIs.KEPT)
    return _find_in(landing, capture)


def _with_lines(state: FileIs, content: bytes) -> Delivered:
    return Delivered(state, opened(content))


def _find_in(landing: Path, capture: Capture) -> Delivered:
    """Look for a capture's content where it was delivered."""
    damaged = False
    for path, member in _places(landing, capture.source_file):
        try:
            for name, content in read_contents(path, member):
                if name != member or isinstance(content, FileRefused):
                    continue
                if hashlib.sha256(content).hexdigest() == capture.sha256:
                    return _with_lines(FileIs.UNCHANGED, content)
            damaged = True
        except FileRefused:
            damaged = True
        except OSError:
            return Delivered(FileIs.UNREADABLE)
    return Delivered(FileIs.CHANGED if damaged else FileIs.GONE)


def texts(found: Delivered, rows: pl.DataFrame) -> list[tuple[str | None, TextIs]]:
    """The verified text of each row of a capture, and where it is from.

    Args:
        found: The capture's content (`find`).
        rows: Rows of `otc_raw`, all of that capture.
    """
    numbers, hashes = rows["source_line"].to_list(), rows["record_hash"].to_list()
    lines = [found.content.line(number) for number in numbers]
    fields = [_fields(text, found.content) for text in lines]
    in_file = record_hash(
        pl.DataFrame(fields, schema=dict.fromkeys(DELIVERED, pl.String), orient="row")
    ).to_list()
    again = rows.select(line=rejects.written_again())
    rebuilt = record_hash(again).to_list()
    found_texts: list[tuple[str | None, TextIs]] = []
    for place, wanted in enumerate(hashes):
        if lines[place] is not None and in_file[place] == wanted:
            found_texts.append((lines[place], TextIs.AS_DELIVERED))
        elif rebuilt[place] == wanted:
            found_texts.append((again["line"][place], TextIs.REBUILT))
        else:
            found_texts.append((None, _NO_TEXT[found.state]))
    return found_texts


def _fields(text: str | None, content: Opened) -> list[str | None]:
    """FINRA's eight fields of a line in their order; None for each if the line lacks any."""
    cut = content.fields(text) if text is not None else []
    if len(cut) != len(content.header):
        return [None] * len(DELIVERED)
    return [cut[content.header.index(name)] for name in DELIVERED]


def _places(landing: Path, source_file: str) -> Iterator[tuple[Path, str | None]]:
    """Each existing file and member that a stored name can mean."""
    root = landing.resolve()
    pieces = source_file.split(MEMBER_MARK)
    for end in range(len(pieces), 0, -1):  # a name may contain the mark itself
        path = landing / MEMBER_MARK.join(pieces[:end])
        # A stored name must not lead out of the folder, as no delivered one may.
        if path.is_file() and path.resolve().is_relative_to(root):
            yield path, MEMBER_MARK.join(pieces[end:]) or None
