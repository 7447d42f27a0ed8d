"""Text for people: made safe to show, bounded, counted, and matched against known names.

Messages contain names of files and lines that others wrote. Here they lose the characters that a
terminal would interpret (control characters, line ends, marks of direction). Does not belong here:
the wording of messages, and how a channel escapes its own markup (`alerts.render`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection
from itertools import islice
from typing import Self

CUT = "..."
MOST_CHARS = 1_000  # of one text; the longest reason of a real file has some 800
MOST_NAMED = 20  # things that one text names


class Shown(str):
    """A text with parts that others wrote, as it may be shown: one printable line, bounded.

    It is what stands in reasons, messages, metadata and logs. A `Shown` stays what it is when it is
    made again.
    """

    __slots__ = ()

    def __new__(cls, text: object, most: int = MOST_CHARS) -> Self:
        """Escape a text, of which at most `most` characters are left."""
        if isinstance(text, cls) and len(text) <= most:
            return text
        whole = str(text).strip()
        line = " ".join(whole[:most].split())
        if len(whole) > most:
            line += CUT
        return super().__new__(cls, escaped(cut(line, most, escaped)))

    @classmethod
    def as_written(cls, text: str, most: int) -> Self:
        """The same with every space and line end, of a line or value of a file."""
        return super().__new__(cls, escaped(cut(text, most, escaped)))


def named(
    texts: Collection[object],
    between: str = ", ",
    most: int = MOST_NAMED,
    chars: int = MOST_CHARS,
) -> str:
    """The first of some texts, each as `Shown`, and how many others there are.

    Args:
        texts: Texts with parts that others wrote.
        between: What separates them.
        most: So many are named.
        chars: Of each.
    """
    shown = between.join(Shown(text, chars) for text in islice(texts, most))
    return f"{shown}{between}and {len(texts) - most:,} more" if len(texts) > most else shown


def one_line(text: str) -> str:
    """A text without line ends; characters that a terminal would interpret are escaped."""
    return escaped(" ".join(text.split()))


def escaped(text: str) -> str:
    """A text in which what a terminal would interpret, or not show, is written out."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def cut(text: str, limit: int, written: Callable[[str], str] = str) -> str:
    """A text that has at most `limit` characters once `written` has escaped each of its own."""
    if len(written(text)) <= limit:
        return text
    kept, used = [], len(CUT)
    for char in text[:limit]:
        used += len(written(char))
        if used > limit:
            break
        kept.append(char)
    return "".join(kept) + CUT


def first_line(error: BaseException) -> str:
    """The first line of an error; further ones are mostly advice or links."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def counted(number: int, noun: str) -> str:
    """`1 week`, `3 weeks`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def nearest(name: str, known: list[str]) -> str:
    """`did you mean NAME?` for the most similar known name, or else all known names."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
