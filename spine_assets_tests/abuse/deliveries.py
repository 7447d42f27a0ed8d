"""Contents with names and packings: single files, and the files of a week."""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import dataclass

from hypothesis import strategies as st

from spine_assets_tests.abuse.bad_files import (
    KINDS,
    WILD,
    Draw,
    Kind,
    mutated,
    seldom,
    structured,
    weighted,
)


@dataclass(frozen=True)
class BadFile:
    """A content with the name that it is delivered under."""

    name: str
    content: bytes


@st.composite
def bad_file(draw: Draw) -> BadFile:
    """Any file: eight in ten are lines with a header, the others stray further."""
    kind, content = draw(
        weighted(
            (8, structured()),
            (1, mutated()),
            (1, WILD.map(lambda noise: (KINDS[0], noise))),
        )
    )
    return BadFile(draw(file_name(kind)), content)


def file_name(kind: Kind) -> st.SearchStrategy[str]:
    """A path that mostly tells the right week, at times class, at times another week."""
    right = "class=ats" if kind.ats else "class=non_ats"
    wrong = "class=non_ats" if kind.ats else "class=ats"
    return st.sampled_from(
        [
            *("week_ending=2025-11-21/otc.csv", "week_ending=2025-11-21/otc.csv"),
            *(f"week_ending=2025-11-21/{right}/otc.csv" for _ in range(4)),
            *("finra_otc_weekly_20251222.csv" for _ in range(4)),
            f"week_ending=2025-11-21/{wrong}/otc.csv",
            "week_ending=2025-11-14/otc.csv",
            "week_ending=2025-11-28/otc.csv",
        ]
    )


def packed(file: BadFile, packing: str) -> BadFile:
    """The same content in a gzip file or a zip archive."""
    if packing == "gz":
        return BadFile(f"{file.name}.gz", gzip.compress(file.content, 1, mtime=0))
    if packing == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("member.csv", file.content)
        return BadFile(file.name.removesuffix(".csv") + ".zip", buffer.getvalue())
    return file


@st.composite
def week_files(draw: Draw) -> list[tuple[BadFile, str]]:
    """Up to four files of one week, with how each is packed."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        kind, content = draw(weighted((9, structured()), (1, mutated())))
        tells = "/class=ats" if kind.ats else "/class=non_ats"
        told = draw(seldom(st.just(tells), st.just(""), 4))
        name = f"week_ending=2025-11-21{told}/file{number}.csv"
        packing = draw(st.sampled_from(["", "", "gz", "zip"]))
        found.append((BadFile(name, content), packing))
    return found
