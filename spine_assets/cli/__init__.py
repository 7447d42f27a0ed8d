"""The `spine` command: a thin front over the lake, the warehouse and Dagster's history.

A command's module is imported when the command runs (`lazy_group`), so that `spine --help` is
quick; modules import at their top. Dagster takes longer to import than all else together, so a
command that can complete its options, print its help or do its work without Dagster imports it
in the function that needs it.

Exit codes of every command: 0 done, 1 failed or refused (the message says why and what to run),
2 wrong usage. A finding is not a failure: `spine anomalies` and `spine status` end with 0
whatever they report, unless `--fail-on` or `--exit-code` is given. `spine check-file` ends with 1
if a run would refuse something of a file. `spine runs cancel` ends with 1 if the run had already
ended or did not stop.
"""

from __future__ import annotations

import io
import sys

import click

from spine_assets.cli.lazy_group import LazyGroup

GROUPS = {
    "Ask": {
        "symbol": (
            "questions:symbol",
            "Show how much of a SYMBOL traded by week, or who traded it.",
        ),
        "venue": (
            "questions:venue",
            "Show volume, share and rank of VENUEs, or what one traded.",
        ),
        "market": ("questions:market", "Show volume, ATS part and concentration by week."),
        "movers": ("questions:movers", "Show which symbols changed most since the week before."),
        "week": ("status:week", "Summarize a WEEK: top venues and symbols, restatements, checks."),
        "query": ("query:query", "Run one SELECT over the tables, without locks or changes."),
        "report": (
            "report:report",
            "Show the report of a WEEK, an HTML page with charts and checks.",
        ),
        "trace": ("trace:trace", "Trace the numbers of SYMBOL in WEEK to lines of files."),
        "diff": ("captures:diff", "Show what each correction of WEEK changed: rows and shares."),
        "export": ("captures:export", "Write weeks of a table, as of now or of an earlier time."),
        "anomalies": ("anomalies:anomalies", "List what checks found, newest week first."),
        "shell": (
            "shell:shell",
            "Open Python with the lake, DuckDB, settings and Dagster at hand.",
        ),
    },
    "Load": {
        "init": ("init:init", "Make DIR a project: configuration, settings, landing folder."),
        "demo": ("demo:demo", "Load twelve synthetic weeks into data/demo, and show them."),
        "fetch": ("fetch:fetch", "Fetch missing and changed weeks into the landing folder."),
        "check-file": (
            "check_file:check_file",
            "Say what each FILE is and what a run would do with it.",
        ),
        "captures": (
            "captures:captures",
            "List what arrived when, and which captures are current.",
        ),
        "sample": ("synthetic:sample", "Write synthetic weekly files, or remove synthetic data."),
        "finra-sim": ("finra_sim:finra_sim", "Serve synthetic weeks as FINRA's query API does."),
    },
    "Run": {
        "ui": ("ui:ui", "Serve Dagster's UI with its daemon, behind a guard."),
        "status": ("status:status", "Show which weeks are loaded, missing or failed."),
        "run": ("run:run", "Run a PIPELINE here, or in the queue of a running daemon."),
        "backfill": (
            "backfill:backfill",
            "Build the weeks FROM..TO that have input, or all weeks.",
        ),
        "runs": ("runs:runs", "List runs, newest first; show, cancel or delete them."),
        "list": ("run:list_pipelines", "List the pipelines of all domains, with their parameters."),
        "pipelines": (
            "pipelines:pipelines",
            "Validate pipelines that are declared in YAML; copy examples.",
        ),
    },
    "Look after": {
        "doctor": ("doctor:doctor", "Examine this installation; list problems and their remedies."),
        "db": ("database:db", "Refresh, check or sort the DuckDB database, or write another."),
        "lake": ("lake:lake", "Copy the lake, compare two lakes, or migrate to today's format."),
        "compare": ("compare:compare", "Build the same weeks on each backend and compare them."),
        "backup": ("backup:backup", "Copy history and lake to DIR, while daemon and runs go on."),
        "completion": (
            "completion:completion",
            "Print the script by which SHELL completes command lines.",
        ),
    },
}
"""By group of `spine --help` and by name: where the command is, and the first line of its help."""

COMMANDS = {name: found for listed in GROUPS.values() for name, found in listed.items()}
ALIASES = {
    **dict.fromkeys(("ticker", "symbols", "tickers"), "symbol"),
    "venues": "venue",
    "mover": "movers",
    "sql": "query",
    "weeks": "status",
    "download": "fetch",
    "build": "backfill",
    **dict.fromkeys(("dev", "dagster"), "ui"),
}
"""What people type for a command; not listed."""
_LOAD = (
    "put files into the landing folder and run spine backfill --missing; "
    "spine fetch downloads them, and spine demo loads a sample"
)
_TABLES = (
    "spine query 'SHOW TABLES' lists the tables, and 'DESCRIBE otc_venue_share' columns of one"
)
HINTS = {
    **dict.fromkeys(("load", "import", "ingest"), _LOAD),
    **dict.fromkeys(("tables", "columns", "schema", "describe"), _TABLES),
    "ls": f"spine status lists the weeks, spine list the pipelines; {_TABLES}",
    "help": "spine --help lists the commands, spine COMMAND --help explains one",
    "version": "spine --version prints it",
}
"""What people type that no command does, and what does it."""


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="spine-assets")
def main() -> None:
    """Build, inspect, query and export FINRA's weekly OTC Transparency data."""
    out = sys.stdout
    # Whatever an encoding lacks is escaped; UTF-8 lacks nothing but parts of file names.
    if isinstance(out, io.TextIOWrapper) and (out.errors == "strict" or out.encoding != "utf-8"):
        out.reconfigure(errors="backslashreplace")


for _group, _listed in GROUPS.items():
    for _name, (_path, _short_help) in _listed.items():
        main.add_lazy(_name, f"{__name__}.{_path}", _short_help, _group)
main.aliases |= ALIASES
main.hints |= HINTS
