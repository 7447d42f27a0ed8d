"""An answer to a question: printed as a table with a small chart, or written to a file.

The table has the columns that fit a terminal; every other form has all of them. Belongs here: what
is printed and written. Does not belong here: charts in files (`answer_charts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click
import polars as pl

from spine_assets.cli.render import answer_charts
from spine_assets.cli.render.console import CONSOLE, grid, safe
from spine_assets.cli.render.workbook import write_workbook
from spine_assets.cli.shared import print_json, print_rows
from spine_assets.core.tables import Type
from spine_assets.core.values import csv_text, records
from spine_assets.lake.atomic_write import replacing
from spine_assets.questions.declared import STATE, AnalystQuestion, WeekState

ROWS = 20
"""Rows of a table that shows one week, unless more are asked for."""
_BARS = "▁▂▃▄▅▆▇█"
_GAP = " "
# Of each question: heading and column, in the order of the table.
_SHOWN: Mapping[str, Mapping[str, str]] = {
    "symbol": {
        "week": "week_ending",
        "shares": "total_volume",
        "change %": "volume_change_pct",
        "trades": "total_trades",
        "ATS %": "ats_share_pct",
        "size": "avg_trade_size",
        "venues": "venue_count",
        "top venue": "top_mpid",
        "top %": "top_share_pct",
    },
    "symbol_venues": {
        "rank": "rank",
        "venue": "venue_name",
        "id": "venue_id",
        "class": "venue_class",
        "shares": "share_volume",
        "%": "share_pct",
        "points": "share_change_points",
        "trades": "trade_count",
        "size": "avg_trade_size",
    },
    "venue": {
        "week": "week_ending",
        "shares": "total_volume",
        "market %": "market_share_pct",
        "points": "share_change_points",
        "rank": "rank",
        "class %": "class_share_pct",
        "class rank": "class_rank",
        "six weeks %": "avg_6w_class_share_pct",
    },
    "venues": {
        "rank": "rank",
        "venue": "venue_name",
        "id": "venue_id",
        "class": "venue_class",
        "shares": "total_volume",
        "market %": "market_share_pct",
        "points": "share_change_points",
        "class %": "class_share_pct",
        "class rank": "class_rank",
    },
    "venue_symbols": {
        "rank": "rank",
        "symbol": "symbol",
        "issue": "issue_name",
        "shares": "share_volume",
        "of venue %": "venue_share_pct",
        "of symbol %": "share_pct",
        "size": "avg_trade_size",
    },
    "market": {
        "week": "week_ending",
        "shares": "total_volume",
        "change %": "volume_change_pct",
        "trades": "total_trades",
        "ATS %": "ats_share_pct",
        "symbols": "symbol_count",
        "venues": "venue_count",
        "hhi": "hhi",
        "top venue": "top_mpid",
        "top %": "top_share_pct",
    },
    "movers": {
        "rank": "rank",
        "symbol": "symbol",
        "issue": "issue_name",
        "kind": "kind",
        "shares": "total_volume",
        "change": "volume_change",
        "%": "volume_change_pct",
        "% per day": "volume_change_per_day_pct",
    },
}
_NAMES = ("issue_name", "venue_name")
_FILES = ("parquet", "xlsx", "chart")


def is_written(given: Mapping[str, Any]) -> bool:
    """Whether the answer goes into a file or to a program, with all rows."""
    return bool(given["as_json"] or given["as_csv"] or any(given[name] for name in _FILES))


def show(question: AnalystQuestion, frame: pl.DataFrame, given: Mapping[str, Any]) -> None:
    """Print or write an answer as the options ask.

    Args:
        question: What was asked.
        frame: The answer.
        given: `as_json`, `as_csv`, `parquet`, `xlsx` and `chart` of the command, and `synthetic`.
    """
    if given["chart"]:
        answer_charts.write(question, frame, given["chart"], synthetic=given["synthetic"])
    if given["parquet"]:
        with replacing(given["parquet"]) as staged:
            frame.write_parquet(staged)
    if given["xlsx"]:
        write_workbook(frame, question.name, given["xlsx"])
    for name in _FILES:
        if given[name]:
            click.echo(f"wrote {given[name]}: {frame.height:,} rows", err=True)
    names, rows = frame.columns, _exact(question, frame)
    if given["as_json"]:
        print_json(records(names, rows))
    elif given["as_csv"]:
        print_rows(csv_text(names, rows))
    elif not any(given[name] for name in _FILES):
        _print(question, frame)


def _exact(question: AnalystQuestion, frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Rows with whole shares as whole numbers, as in every other command."""
    shares = {c.name for c in question.columns if c.type in (Type.SHARES, Type.SHARES_SUM)}
    at = [name in shares for name in frame.columns]
    return [
        tuple(
            int(value) if is_share and value is not None and value == int(value) else value
            for value, is_share in zip(row, at, strict=True)
        )
        for row in frame.iter_rows()
    ]


def _print(question: AnalystQuestion, frame: pl.DataFrame) -> None:
    """Print one table for each symbol or venue, or one for all rows."""
    of = frame.columns[0]
    is_one = of == "week_ending" or not question.every_week
    parts = [frame] if is_one else frame.partition_by(of, maintain_order=True)
    for part in parts:
        CONSOLE.print(_heading(question, part), highlight=False)
        _table(question, part)


def _heading(question: AnalystQuestion, frame: pl.DataFrame) -> str:
    """What the table is of, with its volumes as bars."""
    if not question.every_week:
        return safe(_of_week(frame))
    last = frame.drop_nulls("total_volume").tail(1)
    row = (last if last.height else frame).row(-1, named=True)
    names = [row[name] or "" for name in ("symbol", "venue_id", *_NAMES) if name in row]
    found = "  ".join([*names, *(row.get("tiers") or [])]) or "All symbols"
    return f"[bold]{safe(found)}[/]  {_sparkline(frame['total_volume'].to_list())}"


def _of_week(frame: pl.DataFrame) -> str:
    """Which week the rows are of, and which one they are compared with."""
    if frame.is_empty():
        return "no rows"
    row = frame.row(0, named=True)
    beside = f", beside {row['prior_week_ending']}" if row.get("is_comparable") else ""
    return f"week {row['week_ending']}{beside}"


def _sparkline(values: Sequence[float | None]) -> str:
    """Values from 0 as bars, one character each; a gap where there is none."""
    top = max((value for value in values if value is not None), default=0) or 1
    if not str(CONSOLE.encoding).lower().startswith("utf"):
        return ""
    return "".join(
        _GAP if value is None else _BARS[min(int(value / top * len(_BARS)), len(_BARS) - 1)]
        for value in values
    )


def _table(question: AnalystQuestion, frame: pl.DataFrame) -> None:
    shown = _SHOWN[question.name]
    has_state = STATE.name in frame.columns
    table = grid(*shown, *([""] if has_state else []))
    for column, name in zip(table.columns, shown.values(), strict=False):
        is_text = frame[name].dtype in (pl.String, pl.Date)
        column.justify = "left" if is_text else "right"
    types = {column.name: column.type for column in question.columns}
    for row in frame.iter_rows(named=True):
        cells = [_cell(row[name], types[name], name) for name in shown.values()]
        table.add_row(*cells, *([_remark(row)] if has_state else []))
    CONSOLE.print(table)


def _cell(value: Any, type_: Type, name: str) -> str:
    """A figure as people read it: whole shares, percentages with one decimal."""
    if value is None:
        return ""
    if type_ in (Type.SHARES, Type.SHARES_SUM):
        return f"{value:,.0f}" if value == int(value) else f"{value:,.6f}".rstrip("0")
    if name == "hhi":
        return f"{value:.4f}"
    if type_ is Type.RATIO:
        return f"{value:+,.1f}" if "change" in name else f"{value:,.1f}"
    if type_ is Type.COUNT:
        return f"{value:,}"
    return safe(str(value))


def _remark(row: Mapping[str, Any]) -> str:
    """Why a week has no figure, or is not like the others."""
    found = [] if row["state"] == WeekState.COMPLETE else [row["state"]]
    if len(row.get("classes") or ()) == 1:
        found.append(f"{row['classes'][0]} only")
    if row["trading_days"] is not None and row["trading_days"] < 5:
        found.append(f"{row['trading_days']} days")
    return f"[yellow]{', '.join(found)}[/]" if found else ""
