"""Writes the generated pages from the declarations: `python -m spine_assets.dev.docs_pages`.

Belongs here: `docs/data-dictionary.md` (tables, columns) and `docs/checks.md` (checks, and what
to do when one fails). `docs/pipelines-reference.md` comes from `pipelines.yaml.reference`,
`docs/questions.md` from `questions_page`, and `docs/images/wings.svg` from `wings_picture`. Every
other page is written by hand.
"""

from __future__ import annotations

from collections.abc import Callable
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
"""

_CHECKS_HEAD = """# Checks, and what to do about each

Written from the declarations by `python -m spine_assets.dev.docs_pages`; do not edit.

The checks of a table run for each week when it is built. If a *blocking* check fails, the week is
not published: the earlier version stays, the run fails, and an alert is sent. If any other check
fails, it is reported, usually as a warning, and the week is published.

In the commands, WEEK is the week's Friday, such as 2025-11-21, CAPTURE_ID a capture of
`spine captures`, and MPID a venue. `spine anomalies` lists failed checks and warnings with figures;
`spine anomalies --week WEEK` also shows rows. After a repair, the sensor or `spine backfill WEEK`
builds the week again.
"""

_CHECKS_TAIL = """More on [findings of `delivery`](nothing-lost.md#what-the-check-delivery-reports),
[reasons of rejects](data-dictionary.md#reasons-of-rejects) and [alerts](alerts.md)."""


_VIEWS = """## Views

Views are computed from the tables at each query; the [cookbook](cookbook.md) shows their uses,
the [caveats](caveats.md) their pitfalls. A view `NAME` with the column `is_complete` has the weeks
whose three tiers are loaded, `NAME_all` has every week, and `NAME_in(first_week, last_week)` those
from one Friday to another. If you know the weeks, use the last form: it reads their files only.
"""


_BY_HAND = (
    "Four are asked without Pandera, which sees columns of single rows: `FIELD_COUNT` and "
    "`BAD_ENCODING` before there are columns, `DUPLICATE_ROW` and `CONFLICTING_KEY` because they "
    "depend on other lines."
)

_REASONS_HEAD = f"""## Reasons of rejects

What a delivered line must be is declared as a Pandera schema, and each check has the name of a
reason. A line that breaks one is a reject: its failure cases are the rows of `otc_rejects` and the
samples of the check `rejects`, which is a warning, or an error for a reason of that severity.
{_BY_HAND}
"""

_NOTES = f"""## Notes

A value of {", ".join(f"`{name}`" for name in OPTIONAL)} that breaks a check costs its line nothing.
The value is null, and the line has a note in `otc_raw.notes`: the reason and the column. An amount
with more than six decimal places, as floating point makes them, is rounded to six and noted as
`TOO_PRECISE`. Odd characters around a symbol or MPID are trimmed and noted as `ODD_CHARACTER`. The
check `notes` counts all notes, and warns of all but the rounding.
"""

_SHOWN = (*TABLES, consolidated.TABLE)


def text() -> str:
    """The text of the data dictionary."""
    return "\n".join(
        [
            _HEAD,
            *(_table(table) for table in _SHOWN),
            _VIEWS,
            *(_view(view) for view in VIEWS),
            _reasons(),
        ]
    )


def checks_text() -> str:
    """The text of the page of checks."""
    checked = [(table.name, check) for table in _SHOWN for check in table.checks]
    overview = [
        f"| [`{check.name}`](#{_anchor(name, check)}) of `{name}` | {_consequence(check, name)} |"
        for name, check in checked
    ]
    arrived = f"`{FILES}`: `{ARRIVED}`"
    return "\n".join(
        [
            _CHECKS_HEAD,
            "| check | when it fails |",
            "|---|---|",
            *overview,
            f"| [`{ARRIVED}`](#{FILES}-{ARRIVED}) of `{FILES}` | it is reported, as an error |",
            f"| [`{USABLE}`](#{FILES}-{USABLE}) of `{FILES}` | it is reported |",
            "",
            *(
                _section(f"`{name}`: `{check.name}`", check.description, check.remedy)
                for name, check in checked
            ),
            _section(arrived, overdue.HOLDS + " About all weeks at once.", overdue.REMEDY),
            _section(f"`{FILES}`: `{USABLE}`", USABLE_HOLDS + " As of now.", USABLE_REMEDY),
            _CHECKS_TAIL,
        ]
    )


PAGES: dict[Path, Callable[[], str]] = {
    PATH: text,
    CHECKS_PATH: checks_text,
    PIPELINES_PATH: reference.text,
    QUESTIONS_PATH: questions_page.text,
    wings_picture.PATH: wings_picture.svg,
}
"""The generated files, and the function that returns the text of each."""


def _anchor(table: str, check: Check) -> str:
    return f"{table}-{check.name}"


def _section(title: str, holds: str, remedy: str) -> str:
    return f"## {title}\n\n**Holds:** {holds}\n\n**When it fails:** {remedy}\n"


def _consequence(check: Check, table: str) -> str:
    kept = "what was loaded before stays" if table == consolidated.TABLE.name else ""
    return (kept or "the week is not published") if check.blocking else "it is reported"


def _table(table: Table) -> str:
    lines = [
        _about(table),
        "| column | type | unit | null | meaning |",
        "|---|---|---|---|---|",
        *(_column(column) for column in table.columns),
    ]
    if table.checks:
        lines += ["", "| [check](checks.md) | when it fails |", "|---|---|"]
        lines += [f"| `{c.name}` | {_consequence(c, table.name)} |" for c in table.checks]
    return "\n".join([*lines, ""])


def _view(view: View) -> str:
    lines = [
        _about(view),
        "| column | type | unit | null | meaning | formula |",
        "|---|---|---|---|---|---|",
        *(f"{_column(c)} {view.formulas.get(c.name, '')} |" for c in view.columns),
    ]
    return "\n".join([*lines, ""])


def _about(item: Table | View) -> str:
    key = f"\n\nUnique key: {', '.join(f'`{name}`' for name in item.key)}." if item.key else ""
    return f"## `{item.name}`\n\n{item.description}\n\nOne row: {item.grain}.{key}\n"


def _column(c: Column) -> str:
    return (
        f"| `{c.name}` | {c.type} | {c.unit or ''} | {'yes' if c.nullable else ''} "
        f"| {c.description.replace('|', chr(92) + '|')} |"
    )


def _reasons() -> str:
    lines = [
        _REASONS_HEAD,
        "| reason | stage | severity | what holds | what to do |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{reason}` | {check.stage} | {check.severity} | {check.holds} | {check.advice} |"
        for reason, check in LINE_CHECKS.items()
    ]
    return "\n".join([*lines, "", _NOTES])


if __name__ == "__main__":
    for path, write in PAGES.items():
        path.write_text(write() + "\n", "utf-8")
