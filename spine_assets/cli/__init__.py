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

import click

from spine_assets.cli.lazy_group import LazyGroup

COMMANDS = {
    "anomalies": (
        "anomalies:anomalies",
        "List what checks found: the latest failure or warning of each check and week.",
    ),
    "backfill": (
        "backfill:backfill",
        "Build the weeks FROM..TO that have input; without them, all weeks.",
    ),
    "backup": (
        "backup:backup",
        "Copy Dagster's history and the lake to DIR, while daemon and runs go on.",
    ),
    "captures": (
        "captures:captures",
        "List what arrived when, and what each is: current, older, waiting, pinned or retracted.",
    ),
    "check-file": (
        "check_file:check_file",
        "Say what each FILE is and what the next run would do with it; nothing is loaded.",
    ),
    "compare": (
        "compare:compare",
        "Build the same weeks on each backend and compare times and tables.",
    ),
    "completion": (
        "completion:completion",
        "Print the script with which SHELL completes spine's command lines.",
    ),
    "db": (
        "database:db",
        "The DuckDB database of tables: refresh, check and sort it, or write another one.",
    ),
    "demo": (
        "demo:demo",
        "Load twelve synthetic weeks into a place of their own, data/demo, and show them.",
    ),
    "diff": ("captures:diff", "Show what each correction of WEEK changed: rows and shares."),
    "doctor": (
        "doctor:doctor",
        "Examine this installation and list its problems with their remedies.",
    ),
    "export": (
        "captures:export",
        "Write weeks of a table, as they are now or as they were at an earlier time.",
    ),
    "fetch": (
        "fetch:fetch",
        "Fetch missing and changed weeks from FINRA into the landing folder.",
    ),
    "finra-sim": (
        "finra_sim:finra_sim",
        "Serve synthetic weeks as FINRA's query API does, on this machine only.",
    ),
    "init": (
        "init:init",
        "Make DIR a project: the configuration of Dagster, example settings and a landing folder.",
    ),
    "lake": (
        "lake:lake",
        "Copy the lake to another place, compare two places, or migrate it to today's format.",
    ),
    "list": ("run:list_pipelines", "List the pipelines of all domains, with their parameters."),
    "market": (
        "questions:market",
        "Show off-exchange trading of all symbols week by week: volume, ATS part, concentration.",
    ),
    "movers": (
        "questions:movers",
        "Show which symbols changed most since the week before, over all their tiers.",
    ),
    "pipelines": (
        "pipelines:pipelines",
        "Validate the pipelines that are declared in YAML, and copy examples.",
    ),
    "query": ("status:query", "Run one SELECT over the tables, without locks or changes."),
    "report": ("report:report", "Show the report of a WEEK, an HTML page with charts and checks."),
    "run": (
        "run:run",
        "Run a PIPELINE in this process, or in the queue of a running daemon.",
    ),
    "runs": ("runs:runs", "List runs, newest first; show, cancel or delete them."),
    "sample": (
        "synthetic:sample",
        "Write synthetic weekly files, or take synthetic data out of the data folder.",
    ),
    "shell": ("shell:shell", "Open Python with the lake, DuckDB, settings and Dagster at hand."),
    "status": (
        "status:status",
        "Show the arrival board: weeks by tiers and tables, and unusable files.",
    ),
    "symbol": (
        "questions:symbol",
        "Show how much of a SYMBOL traded off exchange, week by week, or who traded it.",
    ),
    "trace": (
        "trace:trace",
        "Trace the numbers of SYMBOL in WEEK back to delivered lines, and forward.",
    ),
    "venue": (
        "questions:venue",
        "Show volume, share and rank of a VENUE week by week, or what it traded.",
    ),
    "week": ("status:week", "Summarize a WEEK: top venues, top symbols, restatements, checks."),
}
"""By name: where the command is, and the first sentence of its help."""


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="spine-assets")
def main() -> None:
    """Build, inspect, query and export FINRA's weekly OTC Transparency data."""


for _name, (_path, _short_help) in COMMANDS.items():
    main.add_lazy(_name, f"{__name__}.{_path}", _short_help)
