"""Writes the generated pages from the declarations: `python -m spine_assets.dev.docs_pages`.

Belongs here: `docs/data-dictionary.md` (tables, columns) and `docs/checks.md` (checks, and what
to do when one fails). `docs/pipelines-reference.md` comes from `pipelines.yaml.reference`,
`docs/questions.md` from `questions_page`, and `docs/images/wings.svg` from `wings_picture`. Every
other page is written by hand.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container
from pathlib import Path

from spine_assets.alerts.ongoing import ARRIVED, FILES, USABLE
from spine_assets.core.tables import Check, Column, Table
from spine_assets.core.views import View
from spine_assets.dev import questions_page, wings_picture
from spine_assets.otc.captures import overdue
from spine_assets.otc.delivery.line_schema import OPTIONAL
from spine_assets.otc.delivery.reasons import LINE_CHECKS
from spine_assets.otc.delivery.week_contents import USABLE_HOLDS, USABLE_REMEDY
from spine_assets.otc.tables import consolidated
from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.views.registry import VIEWS
from spine_assets.pipelines.yaml import reference

PATH = Path("docs/data-dictionary.md")
CHECKS_PATH = Path("docs/checks.md")
PIPELINES_PATH = Path("docs/pipelines-reference.md")
QUESTIONS_PATH = Path("docs/questions.md")

_HEAD = """# Data dictionary

Written from the table declarations by `python -m spine_assets.dev.docs_pages`; do not edit.
Times are UTC. Shares are exact to six places. Every "share" is a share of reported
off-exchange volume, never of all trading, but for those of `otc_off_exchange_share`. The
[glossary](glossary.md) explains the terms, and [checks](checks.md) what to do about a failed check.
A *blocking* check that fails keeps the week from being published.

## Columns of many tables

Each table names those that it has, and describes its others. A formula is in parentheses.
"""

_CHECKS_HEAD = """# Checks, and what to do about each

Written from the declarations by `python -m spine_assets.dev.docs_pages`; do not edit.

The checks of a table run for each week when it is built. If a *blocking* check fails, the week is
not published: the earlier version stays, the run fails, and an alert is sent. If another fails, it
is reported, and the week is published.

WEEK is the week's Friday, CAPTURE_ID a capture of `spine captures`, and MPID a venue.
`spine anomalies` lists failed checks; with `--week WEEK` it also shows rows. After a repair, the
sensor or `spine backfill WEEK` builds the week again.
"""

_CHECKS_TAIL = """More on [findings of `delivery`](nothing-lost.md#what-the-check-delivery-reports),
[reasons of rejects](data-dictionary.md#reasons-of-rejects) and [alerts](alerts.md)."""


_VIEWS = """## Views

Views are computed from the tables at each query; the [cookbook](cookbook.md) shows their uses,
the [caveats](caveats.md) their pitfalls. A view `NAME` with the column `is_complete` has the weeks
whose three tiers are loaded, `NAME_all` has every week, and `NAME_in(first_week, last_week)` those
from one Friday to another. If you know the weeks, use the last form: it reads their files only.
"""

_REASONS_HEAD = """## Reasons of rejects

A delivered line that breaks one of these is a row of `otc_rejects`, and a sample of the check
`rejects`, which is a warning, or an error for a reason so marked.
"""

_NOTES = f"""## Notes

A value of {", ".join(f"`{name}`" for name in OPTIONAL)} that breaks a check costs its line nothing.
The value is null, and the line has a note in `otc_raw.notes`: the reason and the column. An amount
with more than six decimal places is rounded to six and noted as `TOO_PRECISE`. Odd characters
around a symbol or MPID are trimmed and noted as `ODD_CHARACTER`. The check `notes` counts all
notes, and warns of all but the rounding.
"""

_SHOWN = (*TABLES, consolidated.TABLE)
_COLUMNS = "| column | type | meaning |\n|---|---|---|"


_MANY = 3
"""A column that so many tables and views describe alike is described once, for all of them."""


def text() -> str:
    """The text of the data dictionary."""
    items: list[Table | View] = [*_SHOWN, *VIEWS]
    rows = Counter(row for item in items for row in _rows(item).values())
    common = sorted(row for row, count in rows.items() if count >= _MANY)
    return "\n".join(
        [
            _HEAD,
            _COLUMNS,
            *common,
            "",
            *(_section_of(item, common) for item in _SHOWN),
            _VIEWS,
            *(_section_of(item, common) for item in VIEWS),
            _reasons(),
        ]
    )


def checks_text() -> str:
    """The text of the page of checks: those of one name and remedy are one section."""
    checked: dict[tuple[str, str], list[tuple[str, Check]]] = {}
    for table in _SHOWN:
        for check in table.checks:
            checked.setdefault((check.name, check.remedy), []).append((table.name, check))
    return "\n".join(
        [
            _CHECKS_HEAD,
            *(_section(name, *_of_tables(of), remedy) for (name, remedy), of in checked.items()),
            _section(
                ARRIVED, f"`{FILES}`", f"{overdue.HOLDS} About all weeks at once.", overdue.REMEDY
            ),
            _section(USABLE, f"`{FILES}`", f"{USABLE_HOLDS} As of now.", USABLE_REMEDY),
            _CHECKS_TAIL,
        ]
    )


def _of_tables(checks: list[tuple[str, Check]]) -> tuple[str, str]:
    """Tables of checks of one name, and what holds of them: of each what the others lack."""
    names = ", ".join(f"`{table}`" for table, _ in checks)
    if checks[0][1].blocking:
        names += "; blocking"
    holds = {table: re.split(r"(?<=\.) ", check.description) for table, check in checks}
    shared = [text for text in holds[checks[0][0]] if all(text in of for of in holds.values())]
    others = (
        f"`{table}`: {' '.join(text for text in of if text not in shared)}"
        for table, of in holds.items()
        if of != shared
    )
    return names, " ".join([*shared, *others])


PAGES: dict[Path, Callable[[], str]] = {
    PATH: text,
    CHECKS_PATH: checks_text,
    PIPELINES_PATH: reference.text,
    QUESTIONS_PATH: questions_page.text,
    wings_picture.PATH: wings_picture.svg,
}
"""The generated files, and the function that returns the text of each."""


def _section(check: str, of: str, holds: str, remedy: str) -> str:
    return f"## `{check}`\n\nOf {of}.\n\n**Holds:** {holds}\n\n**When it fails:** {remedy}\n"


def _consequence(check: Check, table: str) -> str:
    kept = "what was loaded before stays" if table == consolidated.TABLE.name else ""
    return (kept or "the week is not published") if check.blocking else "it is reported"


def _section_of(item: Table | View, common: Container[str]) -> str:
    """A table or view: what a row is, the columns of its own, names of the common ones, checks."""
    rows = _rows(item)
    own = [row for row in rows.values() if row not in common]
    shared = ", ".join(f"`{name}`" for name, row in rows.items() if row in common)
    key = f" Unique key: {', '.join(f'`{name}`' for name in item.key)}." if item.key else ""
    lines = [f"## `{item.name}`\n\n{item.description}\n\nOne row: {item.grain}.{key}\n"]
    if own:
        lines += [_COLUMNS, *own, ""]
    if shared:
        lines += [f"[Of many tables](#columns-of-many-tables): {shared}.", ""]
    if isinstance(item, Table) and item.checks:
        checks = (f"`{c.name}`{' (blocking)' if c.blocking else ''}" for c in item.checks)
        lines += [f"[Checks](checks.md): {', '.join(checks)}.", ""]
    return "\n".join(lines)


def _rows(item: Table | View) -> dict[str, str]:
    """The line of each column, by its name."""
    formulas = item.formulas if isinstance(item, View) else {}
    return {c.name: _column(c, formulas.get(c.name, "")) for c in item.columns}


def _column(c: Column, formula: str) -> str:
    kind = ", ".join(part for part in (c.type, c.unit) if part) + (" or null" * c.nullable)
    meaning = f"{c.description} ({formula})" if formula else c.description
    return f"| `{c.name}` | {kind} | {meaning.replace('|', chr(92) + '|')} |"


def _reasons() -> str:
    lines = [_REASONS_HEAD]
    for stage in dict.fromkeys(check.stage for check in LINE_CHECKS.values()):
        lines += [f"Stage `{stage}`:", "", "| reason | what holds | what to do |", "|---|---|---|"]
        lines += [
            f"| `{reason}`{' (error)' if check.severity == 'error' else ''} "
            f"| {check.holds} | {check.advice} |"
            for reason, check in LINE_CHECKS.items()
            if check.stage == stage
        ]
        lines.append("")
    return "\n".join([*lines, _NOTES])


if __name__ == "__main__":
    for path, write in PAGES.items():
        path.write_text(write() + "\n", "utf-8")
