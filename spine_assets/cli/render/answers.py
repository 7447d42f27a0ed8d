"""An answer to a question: printed as a table with a small chart, or written to a file.

The table has the columns that fit a terminal; every other form has all of them. Belongs here: what
is printed and written. Does not belong here: charts in files (`answer_charts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import polars as pl

from spine_assets.cli.render import answer_charts
from spine_assets.cli.render.console import CONSOLE, grid, safe
from spine_assets.cli.render.workbook import write_workbook
from spine_assets.cli.shared import print_json, print_rows
from spine_assets.core.tables import Type
from spine_assets.core.text import counted
from spine_assets.core.values import csv_text, records
from spine_assets.lake.atomic_write import replacing
from spine_assets.questions.declared import SYMBOL, AnalystQuestion, WeekState

ROWS = 20
"""Rows of a table that shows one week, unless more are asked for."""
_NAMED = 5  # of the new and the gone symbols
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
# What a narrow terminal leaves out.
_LEFT_OUT = {
    "symbol": ("size", "venues", "top venue", "top %"),
    "symbol_venues": ("class", "trades", "size"),
    "venue": ("class rank", "six weeks %"),
    "venues": ("class", "class %", "class rank"),
    "venue_symbols": ("size",),
    "market": ("symbols", "venues", "top venue", "top %"),
    "movers": ("% per day",),
}
_NAMES = ("issue_name", "venue_name")
_FILES = ("parquet", "xlsx", "chart")


def show(question: AnalystQuestion, frame: pl.DataFrame, given: Mapping[str, Any]) -> None:
    """Print or write an answer as the options ask.

    Args:
        question: What was asked.
        frame: The answer.
        given: `as_json`, `as_csv`, `parquet`, `xlsx`, `chart` and `top` of the command, and
            `synthetic`.
    """
    whole, top = frame, given.get("top")
    if top is not None:
        frame = frame.head(top)
    if given["chart"]:
        draw(question, frame, given)
    if not _written(question.name, frame, _exact(question, frame), given):
        _print(question, whole, top or ROWS)


def show_side_by_side(frame: pl.DataFrame, measure: str, given: Mapping[str, Any]) -> None:
    """Print or write the answer of `compare` as the options ask; its chart is drawn already.

    Args:
        frame: The answer: `week_ending`, a column per symbol, `is_alike`.
        measure: The figure.
        given: As for `show`.
    """
    if _written("compare", frame, frame.rows(), given) or given["chart"]:
        return
    symbols = frame.columns[1:-1]
    table = grid("week", *symbols, "")
    for column in table.columns[1:-1]:
        column.justify = "right"
    types = {column.name: column.type for column in SYMBOL.columns}
    for week, *figures, is_alike in frame.iter_rows():
        cells = [_cell(figure, types[measure], measure) for figure in figures]
        table.add_row(str(week), *cells, "" if is_alike else "[yellow]not alike[/]")
    CONSOLE.print(f"[bold]{safe(measure)}[/], by week", highlight=False)
    CONSOLE.print(table)


def draw(
    question: AnalystQuestion,
    frame: pl.DataFrame,
    given: Mapping[str, Any],
    figure: str = "total_volume",
) -> None:
    """Draw an answer into the file of `--chart`."""
    answer_charts.write(
        question, frame, given["chart"], synthetic=given["synthetic"], figure=figure
    )
    click.echo(f"wrote {given['chart']}", err=True)


def _written(
    name: str, frame: pl.DataFrame, rows: list[tuple[Any, ...]], given: Mapping[str, Any]
) -> bool:
    """Write an answer to its files or for a program; whether that is all that is asked for."""
    if given["parquet"]:
        with replacing(given["parquet"]) as staged:
            frame.write_parquet(staged)
    if given["xlsx"]:
        write_workbook(frame, name, given["xlsx"])
    for file in ("parquet", "xlsx"):
        if given[file]:
            click.echo(f"wrote {given[file]}: {counted(frame.height, 'row')}", err=True)
    if given["as_json"]:
        print_json(records(frame.columns, rows))
    elif given["as_csv"]:
        print_rows(csv_text(frame.columns, rows))
    return bool(given["as_json"] or given["as_csv"] or any(given[file] for file in _FILES))


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


def _print(question: AnalystQuestion, frame: pl.DataFrame, most: int) -> None:
    """Print one table for each symbol or venue, or the first rows of a week."""
    if not question.every_week:
        CONSOLE.print(safe(_of_week(frame)), highlight=False)
        _table(question, frame.head(most))
        if frame.height > most:
            left = frame.height - most
            CONSOLE.print(f"{left:,} more: --top {frame.height}, or --csv", highlight=False)
        if question.name == "movers":
            _print_new_and_gone(frame)
        return
    of = frame.columns[0]
    is_one = of == "week_ending" or not question.every_week
    parts = [frame] if is_one else frame.partition_by(of, maintain_order=True)
    for part in parts:
        CONSOLE.print(_heading(question, part), highlight=False)
        _table(question, part)


def _heading(question: AnalystQuestion, frame: pl.DataFrame) -> str:
    """What the table is of, with its volumes as bars."""
    last = frame.drop_nulls("total_volume").tail(1)
    row = (last if last.height else frame).row(-1, named=True)
    names = [row[name] or "" for name in ("symbol", "venue_id", *_NAMES) if name in row]
    found = "  ".join([*names, *(row.get("tiers") or [])]) or "All symbols"
    return f"[bold]{safe(found)}[/]  {_sparkline(frame)}"


def _of_week(frame: pl.DataFrame) -> str:
    """Which week the rows are of, and which one they are compared with."""
    if frame.is_empty():
        return "no rows"
    row = frame.row(0, named=True)
    beside, prior = "", row.get("prior_week_ending")
    if row.get("is_comparable"):
        beside = f", beside {prior}"
    elif prior is not None:
        beside = f", compared with none: {prior} has other tiers or classes"
    elif "is_comparable" in row:
        beside = ", compared with none: no earlier week within four is loaded"
    return f"week {row['week_ending']}{beside}{_scope(row)}"


def _scope(row: Mapping[str, Any]) -> str:
    """What is not loaded of a week."""
    found = [] if row["state"] == WeekState.COMPLETE else [row["state"]]
    if len(row["classes"] or ()) == 1:
        found.append(f"{row['classes'][0]} only")
    return f" ({', '.join(found)})" if found else ""


def _print_new_and_gone(frame: pl.DataFrame) -> None:
    """Name the largest symbols that have no row in one of the two weeks."""
    for kind, volume in (("NEW", "total_volume"), ("GONE", "prior_volume")):
        found = frame.filter(kind=kind)
        if found.height:
            named = [
                f"{name} {int(shares):,}"
                for name, shares in found.select("symbol", volume).head(_NAMED).iter_rows()
            ]
            more = ", ..." if found.height > _NAMED else ""
            line = f"{kind.lower()}: {found.height:,} ({', '.join(named)}{more})"
            CONSOLE.print(safe(line), highlight=False)


def _sparkline(frame: pl.DataFrame) -> str:
    """Volumes from 0 as bars, one character each; a gap where there is none or weeks differ."""
    values = frame["total_volume"].to_list()
    top = max((value for value in values if value is not None), default=0) or 1
    if not str(CONSOLE.encoding).lower().startswith("utf"):
        return ""
    drawn = ""
    for value, is_joined in zip(values, frame["is_comparable"], strict=True):
        if value is not None and not is_joined and not drawn.endswith(_GAP):
            drawn += _GAP if drawn else ""
        drawn += _GAP if value is None else _BARS[min(int(value / top * 8), 7)]
    return drawn


def _table(question: AnalystQuestion, frame: pl.DataFrame) -> None:
    shown = _SHOWN[question.name]
    has_state = question.every_week
    left_out = _LEFT_OUT.get(question.name, ())
    table = grid(*shown, *([""] if has_state else []), lineage=left_out)
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
        value = round(value, 1) or 0.0  # no -0.0
        return f"{value:+,.1f}" if "change" in name and value else f"{value:,.1f}"
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
