"""Damage to stored bytes, and file names of every kind."""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import dataclass

from hypothesis import strategies as st

from spine_assets_tests.abuse.bad_files import seldom
from spine_assets_tests.conftest import PUBLISHED_TIER_1, delivered, line

_MOST_NAME_BYTES = 250  # file systems allow 255, less what a packing adds
CONTENTS = (
    delivered(line("AAAA"), line("BBBB", shares="12.5")),
    delivered(line(tier="NMS Tier 1", updated=PUBLISHED_TIER_1)),
    delivered(line("CCCC", shares="abc"), line("DDDD")),
    b"no header\n",
    b"",
)
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


@dataclass(frozen=True)
class Damage:
    """Bytes changed at some parts of the length (0-1), then perhaps the end cut off."""

    changes: tuple[tuple[float, int], ...]
    cut: float

    def of(self, stored: bytes) -> bytes:
        found = bytearray(stored)
        for place, value in self.changes:
            if found:
                found[int(place * len(found))] ^= value
        return bytes(found[: round(self.cut * len(found))])


PLACE = st.floats(0, 0.9999)
# Low bits turn a digit into another digit, which is the damage that hides best.
FLIP = st.one_of(st.integers(1, 255), st.integers(1, 7))
CHANGES = st.lists(st.tuples(PLACE, FLIP), min_size=1, max_size=4).map(tuple)
DAMAGE = st.builds(Damage, CHANGES, seldom(st.just(1.0), PLACE, 5))
SOUND = st.just(Damage((), 1.0))


def zipped(members: list[tuple[str, bytes]], compression: int) -> bytes:
    """An archive of members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


@dataclass(frozen=True)
class Drop:
    """A file as it lies in the landing folder, perhaps damaged."""

    name: str
    stored: bytes


def _name(text: str, suffix: str) -> str:
    """A name that a file system takes."""
    for mark in "/\0":
        text = text.replace(mark, "")
    most = _MOST_NAME_BYTES - len(suffix)
    return text.encode("utf-8", "surrogateescape")[:most].decode("utf-8", "ignore") + suffix


STEMS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(
        [
            *("..", "...", "a'b\"c;d", "-rf *", "new\nline", "week_ending=2025-11-21", "株式"),
            *("week_ending=2025-11-20", "week_2025-99-99", "class=odd", ".hidden", "~tmp", "_part"),
            *("$(x)", "%2e%2e", "a!b", "x" * 300, "\u2028", "\u202egpj", "bad\udcff", " "),
        ]
    ),
)
SUFFIXES = st.sampled_from(
    [".csv", ".psv", ".TXT", ".csv.gz", ".Txt.GZ", ".zip", ".csv.zip", ".xlsx", ".gz", ""]
)
FOLDERS = st.sampled_from(["", "", "deep/er/", "week_ending=2025-11-21/", ".git/", "x.csv/"])


@st.composite
def drop(draw: st.DrawFn) -> Drop:
    """A plain file, gzip file or archive of any name, every second one damaged."""
    suffix = draw(SUFFIXES)
    content = draw(st.sampled_from(CONTENTS))
    if suffix.lower().endswith(".gz"):
        content = gzip.compress(content, mtime=0)
    elif suffix.endswith(".zip"):
        members = draw(st.lists(st.tuples(STEMS, st.sampled_from(CONTENTS)), max_size=3))
        named = [
            (_name(f"{n}{stem.encode('utf-8', 'replace').decode()}", ".csv"), text)
            for n, (stem, text) in enumerate(members)
        ]
        content = zipped(named, draw(st.sampled_from(COMPRESSIONS)))
    packed = suffix.lower().endswith((".gz", ".zip"))
    damage = draw(st.one_of(SOUND, DAMAGE)) if packed else draw(SOUND)
    return Drop(draw(FOLDERS) + _name(draw(STEMS), suffix), damage.of(content))


DROPS = st.lists(drop(), min_size=1, max_size=5, unique_by=lambda found: found.name)
