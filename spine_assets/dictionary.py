"""Writes `docs/data-dictionary.md` from the declarations: `python -m spine_assets.dictionary`."""

from __future__ import annotations

from pathlib import Path

from spine_assets.otc.reasons import ADVICE
from spine_assets.otc.tables import TABLES
from spine_assets.table import Table

PATH = Path("docs/data-dictionary.md")

_HEAD = """# Data dictionary

Written from the table declarations by `python -m spine_assets.dictionary`; do not edit.
Times are UTC. Shares are exact to six places. Every "share" is a share of reported
off-exchange volume, never of all trading.
"""


def text() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(_table(table) for table in TABLES), _reasons()])


def _table(table: Table) -> str:
    key = f"\n\nUnique key: {', '.join(f'`{name}`' for name in table.key)}." if table.key else ""
    lines = [
        f"## `{table.name}`\n\n{table.description}\n\nOne row: {table.grain}.{key}\n",
        "| column | type | unit | null | meaning |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{c.name}` | {c.type} | {c.unit or ''} | {'yes' if c.nullable else ''} "
        f"| {c.description.replace('|', chr(92) + '|')} |"
        for c in table.columns
    ]
    if table.checks:
        lines += ["", "| check | when it fails | holds |", "|---|---|---|"]
        lines += [
            f"| `{c.name}` | {'the week is not published' if c.blocking else 'it is reported'} "
            f"| {c.description} |"
            for c in table.checks
        ]
    return "\n".join([*lines, ""])


def _reasons() -> str:
    lines = ["## Reasons of rejects\n", "| reason | what to do |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{reason}` | {advice} |" for reason, advice in ADVICE.items())])


if __name__ == "__main__":
    PATH.write_text(text() + "\n", "utf-8")
