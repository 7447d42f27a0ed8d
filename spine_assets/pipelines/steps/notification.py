"""What a notification says: a text, and the rows of a query as an aligned table.

What stands in values and rows may come from files that anybody wrote, so nothing in it acts: no
markup of Slack, no header of a mail, no control character. Belongs here: text and its bounds. Does
not belong here: sending (`spine_assets.alerts.sending`).
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from spine_assets.alerts.render import escaped
from spine_assets.alerts.sending import ChannelError
from spine_assets.core.text import cut, one_line
from spine_assets.core.values import plain
from spine_assets.pipelines.steps.engine import (
    EngineExecutionError,
    Part,
    Sql,
    StepContext,
    StepResult,
    TransientError,
)
from spine_assets.pipelines.steps.queries import Answer, asked, query_faults
from spine_assets.pipelines.yaml.sql_inspection import tables_read

_MOST_ROWS = 100  # more is for `lake.export`
_MOST_CELL = 60  # longer than any name of a table, symbol or figure
_MOST_COLUMNS = 20  # a line of them is wider than any screen
_MOST_TEXT = 2_400  # Slack refuses a section of over 3,000; marks and the note need the rest
_WIDE = 100_000  # so that rich breaks no line


class NoticeSource(Part):
    """Rows that a notification tells."""

    query: Sql = Field(
        default="",
        description="One SELECT whose rows follow the text as a table; {names} in it are bound as "
        "parameters.",
    )


class NoticeConfig(Part):
    """What a notification says, and when."""

    text: str = Field(description="The text; a template.")
    max_rows: int = Field(
        default=20, ge=1, le=_MOST_ROWS, description="Rows that are shown; more are counted."
    )
    only_if_rows: bool = Field(
        default=False, description="Send nothing where the query has no rows."
    )
    if_unset: Literal["fail", "skip"] = Field(
        default="fail",
        description="Where no webhook or mail server is set: `fail`, or send nothing and say so.",
    )


@dataclass(frozen=True)
class Notice:
    """One message: lines of its text, lines of its table, rows that are not in it."""

    text: list[str]
    table: list[str]
    more: int

    def lines(self) -> list[str]:
        """All of it as plain text."""
        note = _more(self.more)
        return [*self.text, *(["", *self.table] if self.table else []), *([note] if note else [])]


def notice_faults(source: NoticeSource, config: NoticeConfig, known: Collection[str]) -> list[str]:
    """What is wrong with a notification as declared."""
    found = [] if config.text.strip() else ["config.text: is empty"]
    if source.query.strip():
        found += query_faults(source.query, known)
    elif config.only_if_rows:
        found.append("config.only_if_rows: needs source.query")
    return found


def answered(source: NoticeSource, config: NoticeConfig, context: StepContext) -> Answer | None:
    """The rows to tell; None without a query.

    Raises:
        EngineExecutionError: the query is wrong.
        TransientError: the lake cannot be read now.
    """
    if not source.query.strip():
        return None
    with asked(context) as place:
        return place.answer(*context.bind(source.query), config.max_rows)


def notice_of(text: str, answer: Answer | None) -> Notice:
    """The message of a text and the rows that were found."""
    lines = [one_line(line) for line in text.strip().splitlines()]
    if answer is None or not answer.total:
        return Notice(lines, [] if answer is None else ["(no rows)"], 0)
    return Notice(lines, aligned(answer.names, answer.rows), answer.total - len(answer.rows))


def tables_told(source: NoticeSource) -> set[str]:
    """The tables whose rows a notification tells."""
    return tables_read(source.query) if source.query.strip() else set()


def not_set(what: str) -> StepResult:
    """What a step has done that may be left out, and has no destination."""
    said = f"nothing sent: {what} is not set, and if_unset is skip"
    return StepResult(result={"sent": False, "reason": said}, said=(said,))


def nothing_to_tell() -> StepResult:
    """What a step has done that sends only rows, and found none."""
    return StepResult(
        rows_processed=0,
        result={"sent": False, "rows": 0, "reason": "the query has no rows"},
        said=("nothing sent: the query has no rows",),
    )


def told(answer: Answer | None, to: str, **more: Any) -> StepResult:
    """What a step has done that sent its message."""
    rows = {} if answer is None else {"rows": answer.total, "rows_shown": len(answer.rows)}
    return StepResult(
        rows_processed=None if answer is None else answer.total,
        result={"sent": True, **rows, **more},
        said=(f"sent to {to}",),
    )


def not_taken(channel: str, error: ChannelError) -> EngineExecutionError | TransientError:
    """A refusal, as what a later try may meet."""
    said = f"{channel}: {error}"
    if error.transient:
        return TransientError(f"{said}; it may be taken later")
    return EngineExecutionError(f"{said}; nothing was sent: look at the settings (docs/alerts.md)")


def slack_payload(notice: Notice) -> dict[str, Any]:
    """A notice for an incoming webhook; `text` says all of it to servers that know no blocks."""
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
            # verbatim: Slack makes no links and calls of what looks like them
            {"type": "section", "text": {"type": "mrkdwn", "text": part, "verbatim": True}}
            for part in parts
        ],
    }


def aligned(names: list[str], rows: list[tuple[Any, ...]]) -> list[str]:
    """Rows as lines of a table in a font of one width, numbers to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = names[:_MOST_COLUMNS]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="")
    for number, name in enumerate(shown):
        is_number = any(_is_number(row[number]) for row in rows)
        table.add_column(Text(_cell(name)), justify="right" if is_number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row[: len(shown)]))
    out = io.StringIO()
    Console(file=out, width=_WIDE, color_system=None).print(table)
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


def _is_number(value: Any) -> bool:
    from decimal import Decimal

    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _fitting(lines: Iterable[str]) -> tuple[list[str], int]:
    """Lines as Slack takes them, as many as fit, and how many do not."""
    taken: list[str] = []
    used, left = 0, 0
    for line in lines:
        written = escaped(cut(line, _MOST_TEXT, escaped))
        used += len(written) + 1
        if used > _MOST_TEXT and taken:
            left += 1
        else:
            taken.append(written)
    return taken, left


def _more(rows: int) -> str:
    return f"and {rows:,} more row{'s' if rows > 1 else ''}" if rows else ""
