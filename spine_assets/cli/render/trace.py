"""How a trace is printed: back to file and line, forward to the rows that count the lines."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from spine_assets.cli.render.console import CONSOLE, grid, safe, text
from spine_assets.core.tags import SHORT_ID
from spine_assets.core.values import plain
from spine_assets.otc.trace.model import Contribution, FinraFigure, Line, Reject, Trace, percent_of
from spine_assets.otc.trace.source_lines import FileIs

if TYPE_CHECKING:
    from spine_assets.orchestration.history.origins import Origin

Captured = dict[str, "Origin | None"]
"""By capture: the run that captured it."""
Built = dict[tuple[str, str], "Origin | None"]
"""By table and build: the run that built it."""

_NOT_RECORDED = "not in Dagster's memory"
_RIGHT = {"shares", "trades", "line", "value", "part", "%"}
_CAVEAT = "Shares reported off-exchange, not all trading; an absent row is not zero."


def as_json(found: Trace, captured: Captured, built: Built) -> dict[str, Any]:
    """A complete trace for programs."""
    of_venue = ("shares", "pct")
    return {
        "symbol": found.symbol,
        "week_ending": str(found.week_ending),
        "lines": [_json(item) | _run(captured[item.capture_id]) for item in found.lines],
        "rejects": [_json(item) | _run(captured[item.capture_id]) for item in found.rejects],
        "feeds": [
            _json(item)
            | {name: plain(getattr(item, name)) for name in of_venue}
            | _run(built[item.table, item.capture_id])
            for item in found.contributions
        ],
        "sums": [_json(item) | {"agrees": item.agrees} for item in found.sums],
        "reported": [
            _json(item) | {"difference": plain(item.difference)} for item in found.reported
        ],
        "tables": {name: state.value for name, state in found.freshness.items()},
    }


def printed(found: Trace, captured: Captured, built: Built, limit: int) -> None:
    """A trace for people, on about one screen."""
    names = sorted({safe(item.issue_name) for item in found.lines})
    names_text = f": {', '.join(names)}" if names else ""
    week = f"week ending {found.week_ending}"
    CONSOLE.print(f"\n[bold]{safe(found.symbol) or 'blank symbol'}[/bold], {week}{names_text}")
    if found.lines:
        _lines(found.lines, limit)
    if found.rejects:
        _rejects(found.rejects, limit)
    _files(found, captured)
    if found.contributions:
        _contributions(found.contributions, limit)
        _builds(found, built)
    _sums(found)
    CONSOLE.print(_CAVEAT, style="dim")


def _lines(lines: tuple[Line, ...], limit: int) -> None:
    shown = lines[:limit]
    title = f"Lines of otc_raw ({_some(len(shown), len(lines))})"
    headers = ("tier", "class", "venue", "mpid", "shares", "trades", "counts", "capture", "line")
    table = _table(title, *headers)
    for item in shown:
        reason = f"no: rejected, {item.reason}"
        why = item.capture_counts if item.accepted else reason
        table.add_row(
            item.tier,
            item.venue_class,
            safe(item.venue_name),
            safe(item.mpid or ""),
            text(item.share_volume),
            text(item.trade_count),
            f"[green]{why}[/green]" if item.counts else f"[yellow]{why}[/yellow]",
            item.capture_id,
            text(item.source_line),
        )
    CONSOLE.print(table)
    for item in shown:
        place = f"line {item.source_line}, {item.raw_text_is}:"
        CONSOLE.print(f"[dim]{place}[/dim] {safe(item.raw_text or '')}", soft_wrap=True)


def _rejects(found: tuple[Reject, ...], limit: int) -> None:
    shown: tuple[Reject, ...] = found[:limit]
    title = f"Rejected lines, counted in nothing ({_some(len(shown), len(found))})"
    table = _table(title, "stage", "reason", "what was found", "capture", "line")
    for item in shown:
        table.add_row(
            item.stage, item.reason, safe(item.detail), item.capture_id, text(item.source_line)
        )
    CONSOLE.print(table)
    for item in shown:
        if item.stage == "parse":  # the delivered lines of the others are listed above
            CONSOLE.print(f"[dim]line {item.source_line}:[/dim] {safe(item.raw_line)}")


def _files(found: Trace, captured: Captured) -> None:
    """Each capture once: when, by which run, from which file."""
    table = _table("Captured", "capture", "by run", "file", "the file is")
    every: list[Line | Reject] = [*found.rejects, *found.lines]
    for item in {item.capture_id: item for item in every}.values():
        style = "green" if item.file_is in {FileIs.KEPT, FileIs.UNCHANGED} else "yellow"
        table.add_row(
            item.capture_id,
            _short(captured[item.capture_id]),
            safe(item.source_file),
            f"[{style}]{item.file_is}[/]",
        )
    CONSOLE.print(table)


def _contributions(contributions: tuple[Contribution, ...], limit: int) -> None:
    by_table: dict[str, list[Contribution]] = {}
    for item in contributions:
        by_table.setdefault(item.table, []).append(item)
    shown = [item for found in by_table.values() for item in found[:limit]]
    title = f"Fed by these lines ({_some(len(shown), len(contributions))})"
    table = _table(title, "table", "row", "figure", "value", "part", "%", "adds up")
    for item in shown:
        share = "" if item.pct is None else f"{item.pct:.4f}"
        table.add_row(
            item.table,
            safe(" ".join(str(value) for value in item.key.values())),
            item.figure,
            text(item.value),
            text(item.shares),
            share,
            {True: "[green]yes[/green]", False: "[red]NO[/red]", None: ""}[item.agrees],
        )
    CONSOLE.print(table)


def _builds(found: Trace, built: Built) -> None:
    table = _table("Built", "table", "build", "by run", "state")
    for name, build in dict.fromkeys((item.table, item.capture_id) for item in found.contributions):
        state = found.freshness[name]
        style = "green" if state == "fresh" else "yellow"
        table.add_row(name, build, _short(built[name, build]), f"[{style}]{state}[/]")
    CONSOLE.print(table)


def _sums(found: Trace) -> None:
    """Print by tier whether the lines that count add up to the stored total."""
    if not found.sums:
        CONSOLE.print("No line of this symbol counts in this week now.")
    for item in found.sums:
        lines = "1 line counts" if item.lines == 1 else f"{item.lines} lines count"
        counted = f"{item.tier}: {lines}, {text(item.shares)} shares"
        if item.agrees:
            CONSOLE.print(f"{counted} = otc_symbol_summary: [green]sums agree[/green]")
            continue
        stored = "no row" if item.total_volume is None else text(item.total_volume)
        CONSOLE.print(f"{counted}, otc_symbol_summary has {stored}: [red]SUMS DIFFER[/red]")
    for total in found.reported:
        _reported(total)
    stale = [name for name, state in found.freshness.items() if state != "fresh"]
    if stale:
        CONSOLE.print(
            f"[yellow]Older than its captures: {', '.join(stale)}[/yellow]; "
            f"run spine backfill {found.week_ending}"
        )


def _reported(found: FinraFigure) -> None:
    """Print FINRA's total beside the sum of our rows."""
    said = f"{safe(' '.join(found.key.values()))}: FINRA says {text(found.total)}; our rows sum to"
    if not found.difference:
        CONSOLE.print(f"{said} [green]the same[/green]")
    elif found.may_be_pooled:
        part = f"{percent_of(found.shares, found.total) or 0:.2f}%"
        CONSOLE.print(f"{said} {text(found.shares)} ({part}; the rest is in pools of small firms)")
    else:
        differs = f"[red]DIFFERS BY {text(found.difference)}[/red]"
        CONSOLE.print(f"{said} {text(found.shares)}: {differs}")


def _table(title: str, *headers: str) -> Any:
    table = grid(*headers, title=title)
    for column in table.columns:
        column.justify = "right" if column.header in _RIGHT else "left"
    return table


def _some(shown: int, every: int) -> str:
    return f"{every:,}" if shown == every else f"{shown:,} of {every:,}; --limit shows more"


def _short(origin: Origin | None) -> str:
    return origin.run_id[:SHORT_ID] if origin else _NOT_RECORDED


def _run(origin: Origin | None) -> dict[str, Any]:
    """The run for programs; null where Dagster does not know."""
    if origin is None:
        return {"run_id": None, "run_told_at": None, "run": _NOT_RECORDED}
    return {
        "run_id": origin.run_id,
        "run_told_at": origin.at.isoformat(),
        "run": "in Dagster's memory",
    }


def _json(item: Any) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(item).items()}


def _plain(value: Any) -> Any:
    """As `plain`, also below lists and objects."""
    if isinstance(value, dict):
        return {name: _plain(held) for name, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(held) for held in value]
    return plain(value)
