"""The text of a notification: its lines, and the rows of a query as an aligned table.

Values and rows may come from files that anybody wrote. Therefore nothing in them has an effect: no
markup of Slack, no header of a mail, no control character. Reading the rows and sending belong to
`notification`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from spine_assets.alerts.render import escaped
from spine_assets.core.text import cut, one_line
from spine_assets.core.values import plain
from spine_assets.pipelines.steps.queries import Answer

_MOST_CELL = 60  # longer than any name of a table, symbol or figure
_MOST_COLUMNS = 20  # a line of more is wider than any screen
_MOST_TEXT = 2_400  # Slack refuses a section of over 3,000; marks and the note need the rest
_WIDE = 100_000  # so that rich breaks no line


@dataclass(frozen=True)
class Notice:
    """One message: lines of its text, lines of its table, number of rows that are left out."""

    text: list[str]
    table: list[str]
    more: int

    def lines(self) -> list[str]:
        """All of it as plain text."""
        note = _more(self.more)
        return [*self.text, *(["", *self.table] if self.table else []), *([note] if note else [])]


def notice_of(text: str, answer: Answer | None) -> Notice:
    """The message of a text and the rows that were found."""
    lines = [one_line(line) for line in text.strip().splitlines()]
    if answer is None or not answer.total:
        return Notice(lines, [] if answer is None else ["(no rows)"], 0)
    return Notice(lines, aligned(answer.names, answer.rows), answer.total - len(answer.rows))


def slack_payload(notice: Notice) -> dict[str, Any]:
    """The payload of an incoming webhook; `text` repeats all of it for servers without blocks."""
    text = escaped(cut("\n".join(notice.text), _MOST_TEXT, escaped))
    table, left = _fitting(line.replace("`", "'") for line in notice.table)
    parts = [text]
    if table:
        parts.append("\n".join(("```", *table, "```")))
    if note := _more(notice.more + left):
        parts.append(note)
    return {
        "text": "\n".join(parts),
        "blocks": [
            # verbatim: Slack makes no links or mentions of text that looks like one
            {"type": "section", "text": {"type": "mrkdwn", "text": part, "verbatim": True}}
            for part in parts
        ],
    }


def aligned(names: list[str], rows: list[tuple[Any, ...]]) -> list[str]:
    """Rows as lines of a table in a monospaced font, numbers to the right."""
    from rich import box, console, table, text  # 0.05 s to import, and only messages need it

    shown = names[:_MOST_COLUMNS]
    grid = table.Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="")
    for number, name in enumerate(shown):
        values = [row[number] for row in rows if not isinstance(row[number], bool)]
        is_number = any(isinstance(value, (int, float, Decimal)) for value in values)
        side: Literal["right", "left"] = "right" if is_number else "left"
        grid.add_column(text.Text(_cell(name)), justify=side, no_wrap=True)
    for row in rows:
        grid.add_row(*(text.Text(_cell(value)) for value in row[: len(shown)]))
    out = io.StringIO()
    console.Console(file=out, width=_WIDE, color_system=None).print(grid)
    lines = [line.rstrip() for line in out.getvalue().splitlines() if line.strip()]
    hidden = len(names) - len(shown)
    return [*lines, f"({hidden:,} more columns)"] if hidden else lines


def _cell(value: Any) -> str:
    found = plain(value)
    if found is None:
        return ""
    if isinstance(found, bool):
        return "yes" if found else "no"
    if isinstance(found, (int, float)):
        return f"{found:,}" if isinstance(found, int) else f"{found:,.4f}"
    text = ", ".join(map(str, found)) if isinstance(found, list) else str(found)
    return cut(one_line(text), _MOST_CELL)


def _fitting(lines: Iterable[str]) -> tuple[list[str], int]:
    """Escaped lines, as many as Slack accepts, and how many are left out."""
    kept: list[str] = []
    used, left = 0, 0
    for line in lines:
        written = escaped(cut(line, _MOST_TEXT, escaped))
        used += len(written) + 1
        if used > _MOST_TEXT and kept:
            left += 1
        else:
            kept.append(written)
    return kept, left


def _more(rows: int) -> str:
    return f"and {rows:,} more row{'s' if rows > 1 else ''}" if rows else ""
