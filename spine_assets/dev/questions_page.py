"""Writes `docs/questions.md` from the declared questions and the methods that answer them.

Belongs here: the text of that page. Does not belong here: other generated pages (`docs_pages`).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from spine_assets.core.tables import Column
from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.views.registry import VIEWS
from spine_assets.questions import declared
from spine_assets.questions.declared import QUESTIONS, AnalystQuestion
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

`spine_assets.open("FOLDER")` opens another data folder. Weeks are Fridays, as dates or text. A
range is the `weeks` up to `until`, or from `since` on; a question about one week takes the newest
complete one. A command prints the columns that fit; `--json`, `--csv`, `--parquet FILE` and `--xlsx
FILE` have all. `--chart FILE` draws a `.svg`, `.png` or `.html`.

- **Null means not known.** Each week of a range has a row; `state` says why a figure is missing.
  Volume of a class (ATS, NON_ATS) that is not loaded is null, not 0.
- **Changes are like for like**: null unless both weeks have the same tiers and classes
  (`is_comparable`). A chart's line begins again where they differ.
- **A symbol is one row per week**, over its tiers and classes; in SQL `otc_symbol_week`.
- **A share is one of reported off-exchange volume**, never of all trading, but for
  `off_exchange_share`.
- **A venue** is named by its MPID, its CRD number, or a part of a name that only one venue has.
- **Shares are Float64** in frames, exact to 15 digits. [SQL](queries.md) has exact decimals.
- **Earlier states**: `--as-of TIME` and `open(as_of=...)` answer as it was known at a time, by when
  files were captured; `--published DAY` and `open(published=...)` as FINRA had published it. This
  takes about a second for each full week.

Answers come from the [database](queries.md#the-database), and from the lake where that is newer.
"""

_COLUMNS = """## Columns

A column means what the tables linked above say of its name, but for these (units in parentheses):
"""
_DESCRIBED = {
    declared.SYMBOL: "otc_symbol_week",
    declared.VENUE: "otc_venue_trend",
    declared.VENUES: "otc_venue_trend",
    declared.MARKET: "otc_market_structure",
    declared.OFF_EXCHANGE_SHARE: "otc_off_exchange_share",
    declared.RESTATED: "otc_restatements",
    declared.PROVENANCE: "otc_raw",
}
"""The table or view of the dictionary that describes columns of a question."""
_DICTIONARY = {
    **{table.name: table.columns for table in TABLES},
    **{view.name: view.columns for view in VIEWS},
}


def text() -> str:
    """The text of the page."""
    return "\n".join([_HEAD, *map(_section, QUESTIONS), _compare(), _COLUMNS, *_meanings()])


def _section(question: AnalystQuestion) -> str:
    names = ", ".join(f"`{column.name}`" for column in question.columns)
    if name := _DESCRIBED.get(question):
        names += f"; see [`{name}`](data-dictionary.md#{name})"
    return f"{_about(question.name, question.asks, question.grain)} Columns: {names}.\n"


def _compare() -> str:
    asks = "How do symbols compare, side by side?"
    grain = (
        "week, each week of the range; a column per symbol, and `is_alike`: in this week each has "
        "a figure, over the same classes"
    )
    return f"{_about('compare', asks, grain)}\n"


def _about(name: str, asks: str, grain: str) -> str:
    parameters = list(inspect.signature(getattr(Otc, name)).parameters.values())[1:]
    call = ", ".join(str(item.replace(annotation=item.empty)) for item in parameters)
    return f"## `{name}`\n\n{asks}\n\n```text\notc.{name}({call})\n```\n\nOne row: {grain}."


def _meanings() -> list[str]:
    """Each meaning of a column once, unless a linked table has it."""
    found: dict[str, dict[str, list[str]]] = {}
    linked: set[tuple[str, str]] = set()
    for question in QUESTIONS:
        of_table = _DICTIONARY.get(_DESCRIBED.get(question, ""), ())
        linked |= {(column.name, _meaning(column)) for column in of_table}
        for column in question.columns:
            of_name = found.setdefault(column.name, {})
            of_name.setdefault(_meaning(column), []).append(question.name)
    return [
        f"- `{name}`{of}{meaning}."
        for name, meanings in sorted(found.items())
        for of, meaning in _told_apart(meanings)
        if (name, meaning) not in linked
    ]


def _told_apart(meanings: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Meanings of one name, with the questions where there are several."""
    for meaning, questions in meanings.items():
        names = ", ".join(f"`{question}`" for question in questions)
        yield (f" of {names}" if len(meanings) > 1 else ""), meaning


def _meaning(column: Column) -> str:
    """Unit and meaning."""
    unit = f" ({column.unit})" if column.unit else ""
    return f"{unit}: {column.description.rstrip('.')}"
