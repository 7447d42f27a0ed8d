"""Text for people: made safe to show, bounded, counted, and matched against known names.

Messages contain names of files and lines that others wrote. Here they lose the characters that a
terminal would interpret (control characters, line ends, marks of direction). Does not belong here:
the wording of messages, and how a channel escapes its own markup (`alerts.render`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

CUT = "..."


def one_line(text: str) -> str:
    """A text without line ends; characters that a terminal would interpret are escaped."""
    return "".join(_visible(char) for char in " ".join(text.split()))


def _visible(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()


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


def counted(number: int, noun: str) -> str:
    """`1 week`, `3 weeks`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def nearest(name: str, known: list[str]) -> str:
    """`did you mean NAME?` for the most similar known name, or else all known names."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
