"""How a file that was looked at is printed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from spine_assets.cli.render.console import CONSOLE, grid, safe, text
from spine_assets.core.text import MOST_NAMED, Shown, counted
from spine_assets.otc.captures.file_check import ContentCheck, FileCheck, Outcome, PartCheck

_SOURCES = {
    "column": "by its column",
    "path": "by its path",
    "publication": "by its update dates and FINRA's calendar",
}
_PACKING = {".zip": "zip archive", ".gz": "gzip"}
_STYLES = {Outcome.NEW: "green", Outcome.SAME: "cyan", Outcome.REFUSED: "red"}


def printed(found: FileCheck) -> None:
    """Print all that is known of a file."""
    packing = f" ({_PACKING[found.packing]})" if found.packing else ""
    CONSOLE.print(f"[bold]{safe(str(found.path))}[/bold]{packing}", soft_wrap=True)
    refused = [content for content in found.contents if content.refused]
    hidden = {id(content) for content in refused[MOST_NAMED:]}
    for content in found.contents:
        if id(content) not in hidden:
            _content(content)
    if hidden:
        CONSOLE.print(f"  and {counted(len(hidden), 'more refused content')}; --json shows them.")


def _content(found: ContentCheck) -> None:
    about = [found.form, found.encoding, counted(found.lines, "line") if found.lines else None]
    CONSOLE.print(f"  {safe(Shown(found.name))}", soft_wrap=True)
    if found.form:
        CONSOLE.print(f"  {', '.join(item for item in about if item)}")
    if found.refused:
        CONSOLE.print(f"  [red]refused:[/] {safe(found.refused)}", soft_wrap=True)
        return
    if found.week_source:
        source = _SOURCES[found.week_source.value]
        CONSOLE.print(f"  week ending {found.week_ending}, {source}")
    table = grid("tier and class", "grain", "rows", "rejects", "next run")
    for column in table.columns[2:4]:
        column.justify = "right"
    for part in found.parts:
        table.add_row(
            f"{part.tier} {part.venue_class}",
            part.grain,
            text(part.rows),
            text(sum(item.lines for item in part.rejects)),
            f"[{_STYLES[part.outcome]}]{part.outcome}[/]: {safe(part.why)}",
        )
    CONSOLE.print(table)
    for part in found.parts:
        _lines(part)


def _lines(part: PartCheck) -> None:
    for item in part.rejects:
        more = ", ..." if item.lines > len(item.first) else ""
        lines = ", ".join(map(text, item.first)) + more
        CONSOLE.print(f"  rejected: {item.reason} {text(item.lines)} (line {lines})")
    for note, count in part.notes.items():
        CONSOLE.print(f"  noted: {safe(note)} {text(count)}")


def as_json(found: FileCheck) -> dict[str, Any]:
    """The same for programs."""
    contents = [_content_json(content) for content in found.contents]
    packing = _PACKING[found.packing] if found.packing else None
    return {
        "file": str(found.path),
        "packing": packing,
        "usable": found.usable,
        "contents": contents,
    }


def _content_json(found: ContentCheck) -> dict[str, Any]:
    week = str(found.week_ending) if found.week_ending else None
    return asdict(found) | {"week_ending": week, "usable": found.usable}
