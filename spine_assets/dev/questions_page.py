"""Writes `docs/questions.md` from the declared questions and the methods that answer them.

Belongs here: the text of that page. Does not belong here: other generated pages (`docs_pages`).
"""

from __future__ import annotations

import inspect
import re

from spine_assets.core.tables import Column, Type
from spine_assets.questions.declared import QUESTIONS, STATE, AnalystQuestion
from spine_assets.questions.otc import Otc

_HEAD = """# Ask: from a question to a number in one step

Written from the declarations by `python -m spine_assets.dev.docs_pages`; do not edit.

A question is one command, or one line of Python. Both give the same figures:

```bash
spine symbol PMCY
spine symbol PMCY --venues
spine symbol PMCY PQ --measure avg_trade_size
spine venue
spine venue UBSA
spine market
spine movers
```

```python
import spine_assets

otc = spine_assets.open()
otc.symbol("PMCY")  # a Polars frame; .to_pandas() makes it a pandas one
otc.compare("PMCY", "PQ", measure="avg_trade_size")
```

`spine_assets.open()` opens the project here, `spine_assets.open("FOLDER")` another data folder. A
command prints a table of the columns that fit; `--json`, `--csv`, `--parquet FILE` and `--xlsx
FILE` have all of them, `--chart FILE` draws a `.svg`, `.png` or `.html` that needs no network.

- **A figure is null where it is not known.** Each week of a range has a row, also one that is not
  loaded; `state` says why a figure is missing. Volume of a class (ATS, NON_ATS) that is not loaded
  is null, not 0.
- **Changes are like for like**: null unless both weeks have the same tiers and classes
  (`is_comparable`). The prior week is the nearest earlier loaded one within four; a chart's line
  begins again where the weeks are not alike.
- **A symbol is one row a week**, over its tiers and classes. In SQL this is the view
  `otc_symbol_week`.
- **A share is one of reported off-exchange volume**, never of all trading, but for
  `off_exchange_share`.
- **A venue** is named by its MPID, its CRD number, or a part of a name that only one venue has.
- **Shares are Float64** in frames: whole shares are exact, fractions to 15 digits.
  [SQL](queries.md) has exact decimals.
- **Earlier states**: `--as-of TIME` and `spine_assets.open(as_of=...)` answer as it was known at a
  time, by when files were captured; `--published DAY` and `published=` as FINRA had published it,
  by FINRA's dates. The weeks of the question are then built from captures, which takes about a
  second for each full week.

Answers come from the [database](queries.md#the-database); where it lacks what the lake has, from
the lake, so no answer is older than the tables.
"""


def text() -> str:
    """The text of the page."""
    return "\n".join([_HEAD, *map(_section, QUESTIONS), _compare()])


def _section(question: AnalystQuestion) -> str:
    lines = [
        _about(question.name, question.asks),
        f"One row: {question.grain}.",
        "",
        "| column | type | unit | null | meaning |",
        "|---|---|---|---|---|",
        *(_column(column) for column in question.columns),
        "",
    ]
    return "\n".join(lines)


def _compare() -> str:
    asks = "How do symbols compare, side by side?"
    grain = (
        "week, each week of the range; a column per symbol, and `is_alike`: in this week each has "
        "a figure, over the same classes"
    )
    return f"{_about('compare', asks)}One row: {grain}."


def _about(name: str, asks: str) -> str:
    method = getattr(Otc, name)
    signature = inspect.signature(method)
    shown = ", ".join(str(item) for key, item in signature.parameters.items() if key != "self")
    call = re.sub(r": '([^']*)'", r": \1", f"otc.{name}({shown})")  # annotations are texts
    return f"## `{name}`\n\n{asks}\n\n```text\n{call}\n```\n"


def _column(column: Column) -> str:
    """A row of the table; shares are doubles in frames."""
    exact = (Type.SHARES, Type.SHARES_SUM)
    shown = Type.RATIO if column.type in exact else column.type
    null = "" if not column.nullable or column is STATE else "yes"
    meaning = column.description.replace("|", r"\|")
    return f"| `{column.name}` | {shown} | {column.unit or ''} | {null} | {meaning} |"
