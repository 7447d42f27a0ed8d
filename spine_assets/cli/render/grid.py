"""A table of text that fits the terminal without cutting a number, a date or an id.

Text wraps between words. Where that is not enough, columns that lead back to files are left out,
and named; else each row becomes a block of lines. Without a terminal each row is one line, however
long. Does not belong here: how a value is written (`console`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod
from rich.text import Text

_GAP = 2
_TEXT = (20, 12)  # a narrower column of text is hard to read; the second is for narrow terminals
_LONGEST = 32  # characters of a word that is kept in one line: an id has 29
_NARROW = 20  # the room for a value in a block, at least
_WORDS = re.compile(r"\d{4}-\d\d-\d\d [\d:.+]+\s*|\S+\s*|\s+")  # a time is one word
_NUMBER = re.compile(r"[+-]?[\d,]+(?:\.\d+)?%?")

Row = list[Text]


@dataclass
class GridColumn:
    """A column: its heading, on which side it is aligned, whether it may be left out."""

    header: str
    justify: JustifyMethod = "left"
    is_lineage: bool = False
    cells: Row = field(default_factory=list)

    @property
    def natural(self) -> int:
        """Width in which nothing wraps."""
        return max(_width(text) for text in (Text(self.header), *self.cells))

    def least(self, text: int) -> int:
        """Width in which no number or word is broken; of text not less than `text`."""
        if self.justify == "right":
            return max(self._words(), *(_width(cell) for cell in self.cells), 0)
        return max(self._words(), min(self.natural, text))

    def _words(self) -> int:
        every = [self.header, *(text.plain for text in self.cells)]
        return max((_kept(word) for text in every for word in _WORDS.findall(text)), default=0)


class Grid:
    """Headings and rows of text, laid out when they are printed.

    Args:
        headers: The headings.
        title: A line above.
        lineage: Headings of columns that may be left out.
    """

    def __init__(
        self, *headers: str, title: str | None = None, lineage: Sequence[str] = ()
    ) -> None:
        self.columns = [GridColumn(name, is_lineage=name in lineage) for name in headers]
        self._title = title
        self._starts: set[int] = set()
        self._rows = 0

    def add_row(self, *cells: str | Text) -> None:
        """Add a row; a string is read as rich's markup."""
        for column, cell in zip(self.columns, cells, strict=True):
            text = cell if isinstance(cell, Text) else Text.from_markup(cell, emoji=False)
            column.cells.append(text)
        self._rows += 1

    def add_section(self) -> None:
        """Begin a group of rows."""
        self._starts.add(self._rows)

    def fits(self, width: int) -> bool:
        """Whether rows can be lines, not blocks."""
        return self._fitting(width) is not None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Lines for a console; one that does not wrap gets one line per row."""
        if self._title:
            yield Text("")
            yield Text(self._title, style="italic")
        if options.no_wrap:
            yield from self._plain()
            return
        rule = "-" if options.ascii_only else "─"
        found = self._fitting(options.max_width)
        if found is None:
            yield from self._blocks(options.max_width, rule)
            return
        columns, widths = found
        yield from self._table(columns, widths, rule)
        left_out = [column.header for column in self.columns if column not in columns]
        if left_out:
            yield Text(f"not shown: {', '.join(left_out)}", style="dim")

    def _plain(self) -> Iterator[Text]:
        """One line per row; no styles are needed, a console without colours drops them."""
        columns = [
            GridColumn(column.header, column.justify, cells=[*map(_one_line, column.cells)])
            for column in self.columns
        ]
        yield from self._table(columns, [column.natural for column in columns], "")

    def _fitting(self, width: int) -> tuple[list[GridColumn], list[int]] | None:
        """Columns and widths that fit; None if there are none."""
        kept = [column for column in self.columns if not column.is_lineage]
        for text in _TEXT:
            for columns in (self.columns, kept):
                room = width - _GAP * (len(columns) - 1)
                if columns and (widths := _shared(columns, room, text)):
                    return columns, widths
        return None

    def _table(self, columns: list[GridColumn], widths: list[int], rule: str) -> Iterator[Text]:
        headers = [Text(column.header, style="bold") for column in columns]
        yield from _lines(headers, columns, widths)
        if rule:
            yield Text(rule * (sum(widths) + _GAP * (len(widths) - 1)), style="dim")
        for number in range(self._rows):
            if number in self._starts and number:
                yield Text("")
            yield from _lines([column.cells[number] for column in columns], columns, widths)

    def _blocks(self, width: int, rule: str) -> Iterator[Text]:
        """Each row as lines of heading and value; what is empty is left out."""
        names = min(max(_width(Text(column.header)) for column in self.columns), width - _NARROW)
        room = width - names - _GAP
        for number in range(self._rows):
            yield Text(
                f"{rule} {number + 1} ".ljust(min(width, names + _GAP + _NARROW), rule), "dim"
            )
            for column in self.columns:
                if not (cell := column.cells[number]).plain:
                    continue
                heads = _wrapped(Text(column.header, style="bold"), names)
                values = _wrapped(cell, room)
                for line in range(max(len(heads), len(values))):
                    head = heads[line] if line < len(heads) else Text("")
                    value = values[line] if line < len(values) else Text("")
                    yield _joined([(head, names, "left"), (value, room, "left")])


def _lines(cells: Row, columns: list[GridColumn], widths: list[int]) -> Iterator[Text]:
    """The lines of a row."""
    wrapped = [_wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for line in range(max(map(len, wrapped))):
        parts = [lines[line] if line < len(lines) else Text("") for lines in wrapped]
        sides = (column.justify for column in columns)
        yield _joined(list(zip(parts, widths, sides, strict=True)))


def _joined(parts: list[tuple[Text, int, JustifyMethod]]) -> Text:
    """Parts beside each other, without spaces at the end."""
    line = Text(no_wrap=True, overflow="ignore", end="\n")
    for number, (part, width, side) in enumerate(parts):
        room = " " * (width - cell_len(part.plain))
        before, after = (room, "") if side == "right" else ("", room)
        line.append(" " * _GAP if number else "").append(before).append_text(part).append(after)
    line.rstrip()
    return line


def _shared(columns: list[GridColumn], width: int, text: int) -> list[int] | None:
    """Widths that fit: the widest columns give way first; None where they cannot."""
    least, natural = [one.least(text) for one in columns], [one.natural for one in columns]
    if sum(least) > width:
        return None
    cap = max(natural)
    while (
        sum(found := [max(low, min(high, cap)) for low, high in zip(least, natural, strict=True)])
        > width
    ):
        cap -= 1
    return found


def _wrapped(text: Text, width: int) -> Row:
    """The lines of a text: broken between words; a word that is wider than all is broken too."""
    lines: Row = []
    for given in text.split("\n", allow_blank=True):
        breaks, used = [], 0
        for word in _WORDS.finditer(given.plain):
            needed = cell_len(word[0].rstrip())
            if used and used + needed > width:
                breaks.append(word.start())
                used = 0
            for at in range(word.start(), word.end()):
                wide = cell_len(given.plain[at])
                if used + wide > width and not given.plain[at].isspace():
                    breaks.append(at)
                    used = 0
                used += wide
        for line in given.divide(sorted({*breaks} - {0})):
            line.rstrip()
            lines.append(line)
    return lines or [Text("")]


def _width(text: Text) -> int:
    return max((cell_len(line) for line in text.plain.split("\n")), default=0)


def _kept(word: str) -> int:
    """How wide a column must be for a word; a long one that is no number may be broken."""
    word = word.rstrip()
    wide = cell_len(word)
    return wide if wide <= _LONGEST or _NUMBER.fullmatch(word) else _LONGEST


def _one_line(text: Text) -> Text:
    return Text(" ").join(text.split("\n")) if "\n" in text.plain else text
