"""The project's Markdown pages: which there are, where their links lead, which anchors they have.

Belongs here: reading Markdown as GitHub does, as far as our pages use it. Does not belong here:
blocks of code that are shown (`shown`), and what the pages must say (`test_docs`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from spine_assets_tests.support.projects import SOURCE

_FENCED = re.compile(r"^( *)(```|~~~).*?^\1\2 *$", re.M | re.S)
_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.S)
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_HEADING = re.compile(r"^#{1,6} +(.*?)(?: +#+)? *$", re.M)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.I)


@dataclass(frozen=True)
class Link:
    """A link or image of a page that leads to a place of this project."""

    page: Path
    line: int
    target: str

    @property
    def is_dead(self) -> bool:
        """Whether the file, or the anchor in it, is not there."""
        path, _, anchor = unquote(self.target).partition("#")
        file = (self.page.parent / path).resolve() if path else self.page
        if not file.exists():
            return True
        return bool(anchor) and anchor not in anchors(file.read_text("utf-8"))

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}: {self.target}"


@cache
def documents() -> tuple[Path, ...]:
    """Every Markdown page that belongs to the project."""
    found = [*SOURCE.glob("*.md"), *(SOURCE / "data" / "sample").rglob("*.md")]
    for folder in ("docs", "deploy", "benchmarks", ".github", "spine_assets"):
        found += (SOURCE / folder).rglob("*.md")
    return tuple(sorted(found))


def links(page: Path) -> Iterator[Link]:
    """Links and images of a page, but those that lead to other servers or stand in code."""
    text = _without_code(page.read_text("utf-8"))
    for match in _LINK.finditer(text):
        if not _SCHEME.match(match[1]):
            yield Link(page, text.count("\n", 0, match.start()) + 1, match[1])


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, by GitHub's rule.

    Small letters; what is no letter, digit, `_`, `-` or space goes; spaces become hyphens; the
    second of one name ends with `-1`.
    """
    seen: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.findall(_FENCED.sub("", text)):
        shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", shown.strip().lower()).replace(" ", "-")
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def described(dictionary: str, table: str, column: str) -> str:
    """The one line of the data dictionary that describes a column of a table or view.

    It is in the section of the table, or, where that names the column as one of many tables, in
    the section of these.
    """

    def section(title: str) -> str:
        return dictionary.split(f"\n## {title}\n")[1].split("\n## ", maxsplit=1)[0]

    own = section(f"`{table}`")
    (named,) = re.findall(r"^\[Of many tables\].*$", own, re.M) or [""]
    of_many = f"`{column}`" in named
    text = section("Columns of many tables") if of_many else own
    (line,) = re.findall(rf"^\| `{column}` \|.*$", text, re.M)
    return str(line)


def commands_in_words(page: Path) -> Iterator[str]:
    """What a page calls `spine ...` or `.venv/bin/spine ...` in the middle of a sentence."""
    text = _FENCED.sub("", page.read_text("utf-8"))
    for match in _SPAN.finditer(text):
        words = match[0].strip("`").replace("\n", " ").removeprefix(".venv/bin/")
        if words.startswith("spine "):
            yield words


def _without_code(text: str) -> str:
    """The text with the same lines, code left out."""

    def blank(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n")

    return _SPAN.sub(blank, _FENCED.sub(blank, text))
