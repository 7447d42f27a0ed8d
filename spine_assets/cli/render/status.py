"""How the arrival board and the figures of a week are printed."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb

from spine_assets.cli.render.console import CONSOLE, grid, result, safe, styled
from spine_assets.cli.shared import print_json
from spine_assets.core.text import MOST_NAMED, Shown, counted
from spine_assets.core.values import plain
from spine_assets.core.weeks import Tier
from spine_assets.otc.captures.overdue import Overdue
from spine_assets.otc.delivery.deliveries import Landing
from spine_assets.otc.state.control import Proof
from spine_assets.otc.state.freshness import Freshness
from spine_assets.otc.status import Arrival, WeekStatus
from spine_assets.warehouse.connection import answer

if TYPE_CHECKING:
    from spine_assets.orchestration.history import CheckRecord

_TIER_STYLES = {
    Arrival.NOT_DUE: "dim",
    Arrival.OVERDUE: "red",
    Arrival.LANDED: "yellow",
    Arrival.FAILED: "bold red",
    Arrival.LOADED: "green",
    Arrival.CORRECTED: "cyan",
}
_TOTALS_MARKS = {
    Proof.PROVEN: " [bold green]proven[/bold green]",
    Proof.DIFFERS: " [bold red]differs[/bold red]",
}
_CLASSES = """
    SELECT DISTINCT venue_class FROM otc_venue_share WHERE week_ending = $week ORDER BY ALL
"""
_TOP_VENUES = """
    SELECT rank, venue_name, mpid, total_volume, total_trades, market_share_pct, is_complete
    FROM otc_venue_share WHERE week_ending = $week ORDER BY rank NULLS LAST, mpid LIMIT $top
"""
_TOP_SYMBOLS = """
    SELECT
        s.symbol, s.tier, s.total_volume, s.total_trades, s.venue_count,
        v.venue_name AS top_venue, s.top_mpid, s.hhi
    FROM otc_symbol_summary AS s
    LEFT JOIN otc_venue_share AS v ON v.week_ending = s.week_ending AND v.mpid = s.top_mpid
    WHERE s.week_ending = $week
    ORDER BY s.total_volume DESC, s.symbol, s.tier LIMIT $top
"""

_HEADINGS = {"market_share_pct": "% of reported off-exchange volume"}

Figures = dict[str, list[dict[str, Any]]]


def status(
    rows: list[WeekStatus],
    states: dict[tuple[str, date], str | None],
    checks: dict[date, list[CheckRecord]],
    landing: Landing,
    hidden: int,
    most_files: int | None = MOST_NAMED,
) -> None:
    """Print the arrival board and the unusable files, of which at most `most_files` are named."""
    if not rows:
        CONSOLE.print("No week has a file or a capture yet: drop files into the landing folder.")
    else:
        tiers = [tier.description for tier in Tier]
        table = grid("week ending", *tiers, "tables", "checks", title="Weeks by tiers and tables")
        for row in reversed(rows):
            cells = [_tier_cell(row, tier) for tier in Tier]
            table.add_row(
                str(row.week_ending),
                *cells,
                _tables_cell(row, states),
                checks_summary(checks[row.week_ending]),
            )
        CONSOLE.print(table)
        if hidden:
            CONSOLE.print(f"{hidden} earlier weeks are hidden; --all shows them.")
    if landing.unusable:
        table = grid("unusable file", "why nothing of it is loaded")
        listed = landing.unusable[:most_files]
        for item in listed:
            table.add_row(safe(Shown(item.name)), safe(item.reason))
        CONSOLE.print(table)
        if more := len(landing.unusable) - len(listed):
            CONSOLE.print(f"and {counted(more, 'more unusable file')}; --all shows them.")


def status_json(
    rows: list[WeekStatus],
    states: dict[tuple[str, date], str | None],
    checks: dict[date, list[CheckRecord]],
    landing: Landing,
) -> dict[str, Any]:
    """The arrival board for programs."""
    return {
        "weeks": [
            {
                "week_ending": str(row.week_ending),
                "tiers": {
                    tier.value: {
                        "state": found.state.value,
                        "due": str(found.due),
                        "classes": [item.value for item in found.classes],
                        "waiting": found.waiting,
                        "totals": found.totals,
                    }
                    for tier, found in row.tiers.items()
                },
                "tables": {
                    name: {"lake": state.value, "dagster": states[name, row.week_ending]}
                    for name, state in row.tables.items()
                },
                "checks": [_check_json(check) for check in checks[row.week_ending]],
            }
            for row in rows
        ],
        "unusable": [{"file": item.name, "reason": item.reason} for item in landing.unusable],
    }


def _check_json(check: CheckRecord) -> dict[str, Any]:
    """A check for programs; one that passed has no severity."""
    return vars(check) | {"severity": None if check.passed else check.severity}


def _tier_cell(row: WeekStatus, tier: Tier) -> str:
    found = row.tiers[tier]
    style = _TIER_STYLES[found.state]
    due = f" {found.due}" if found.state is Arrival.NOT_DUE else ""
    waiting = f" [yellow]({found.waiting} waiting)[/yellow]" if found.waiting else ""
    mark = _TOTALS_MARKS.get(found.totals, "") if found.totals else ""
    return f"[{style}]{found.state}{due}[/{style}]{mark}{waiting}"


def _tables_cell(row: WeekStatus, states: dict[tuple[str, date], str | None]) -> str:
    """`all fresh`, or the tables that are not, grouped by their state."""
    wrong: dict[str, list[str]] = {}
    for name, freshness in row.tables.items():
        recorded = states[name, row.week_ending]
        if recorded == "failed":
            wrong.setdefault("[red]failed[/red]", []).append(name)
        if freshness is not Freshness.FRESH:
            wrong.setdefault(f"[yellow]{freshness}[/yellow]", []).append(name)
        elif recorded is None:
            wrong.setdefault("[yellow]not recorded[/yellow]", []).append(name)
    if not wrong:
        return "[green]all fresh[/green]"
    every = len(row.tables)
    return "; ".join(
        f"{what}: {'all' if len(names) == every else ', '.join(names)}"
        for what, names in wrong.items()
    )


def checks_summary(checks: list[CheckRecord]) -> str:
    """How many checks passed, and the names of those that did not."""
    failed = [check for check in checks if not check.passed]
    if not failed:
        return f"[green]{len(checks)} passed[/green]" if checks else "[dim]none[/dim]"
    named = ", ".join(
        styled(item.severity, f"{item.severity.lower()} {item.check}") for item in failed
    )
    return f"{len(checks) - len(failed)} passed, {named}"


def due_line(later: list[Overdue]) -> None:
    """Print one line on weeks that are due and of which nothing has arrived."""
    if not later:
        return
    weeks = sorted({item.week_ending for item in later})
    if len(weeks) == 1:
        found = f"1 later week is due and nothing of it has arrived: {weeks[0]}"
    else:
        found = f"{len(weeks)} later weeks are due and nothing of them has arrived: {weeks[0]} ..."
    CONSOLE.print(
        f"[red]{found}[/red]; spine status --due lists {'it' if len(weeks) == 1 else 'them'}"
    )


def due(found: list[Overdue], today: date, as_json: bool) -> None:
    """The weeks with overdue tiers, oldest first."""
    if as_json:
        print_json({"due": due_json(found)})
        return
    if not found:
        CONSOLE.print("Nothing is overdue.")
        return
    table = grid("week ending", "tier", "due", "days ago", title="Overdue tiers")
    table.columns[3].justify = "right"
    for item in found:
        days = (today - item.due).days
        table.add_row(str(item.week_ending), item.tier.description, str(item.due), str(days))
    CONSOLE.print(table)


def due_json(found: list[Overdue]) -> list[dict[str, Any]]:
    """Weeks with their overdue tiers, for programs."""
    weeks: dict[str, dict[str, Any]] = {}
    for item in found:
        weeks.setdefault(str(item.week_ending), {})[item.tier.value] = {"due": str(item.due)}
    return [{"week_ending": week, "tiers": tiers} for week, tiers in weeks.items()]


def week_figures(warehouse: duckdb.DuckDBPyConnection, week: date, top: int) -> Figures:
    """Top venues and symbols of a week."""
    found = {}
    for name, sql in (("venues", _TOP_VENUES), ("symbols", _TOP_SYMBOLS)):
        names, rows = answer(warehouse, sql, {"week": week, "top": top})
        found[name] = [dict(zip(names, row, strict=True)) for row in rows]
    names, rows = answer(warehouse, _CLASSES, {"week": week})
    found["classes"] = [dict(zip(names, row, strict=True)) for row in rows]
    return found


def week_json(week: date, found: Figures, checks: list[CheckRecord]) -> dict[str, Any]:
    """A week at a glance for programs."""
    return {
        "week_ending": str(week),
        **{
            name: [{key: plain(value) for key, value in row.items()} for row in rows]
            for name, rows in found.items()
        },
        "checks": [_check_json(check) for check in checks],
    }


def week(chosen: date, found: Figures, checks: list[CheckRecord]) -> None:
    """Print a week at a glance."""
    complete = bool(found["venues"]) and found["venues"][0]["is_complete"]
    note = "all three tiers in" if complete else "INCOMPLETE: not all three tiers are in"
    if len(found["classes"]) == 1:
        note += f"; {found['classes'][0]['venue_class']} alone"
    CONSOLE.print(f"\n[bold]Week ending {chosen}[/bold] ({note})")
    for name, title in (
        ("venues", "Top venues, of reported off-exchange volume"),
        ("symbols", "Top symbols"),
    ):
        rows = [{k: v for k, v in row.items() if k != "is_complete"} for row in found[name]]
        if rows:
            headers = [_HEADINGS.get(name, name.replace("_", " ")) for name in rows[0]]
            result(headers, [tuple(row.values()) for row in rows], title)
    CONSOLE.print(f"Checks: {checks_summary(checks)}")
    failed = [check for check in checks if not check.passed]
    if not failed:
        return
    table = grid("table", "check", "outcome", "what it found")
    for check in failed:
        table.add_row(check.table, check.check, styled(check.severity), safe(check.summary or ""))
    CONSOLE.print(table)
