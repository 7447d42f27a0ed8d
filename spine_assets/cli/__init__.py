"""The `spine` command: a thin front over the lake, the warehouse and Dagster's memory.

Heavy modules are imported by the command that needs them, so that `spine --help` answers
at once. Exit codes of every command: 0 done, 1 failed or refused (the message says why and
what to run), 2 wrong usage. Finding something wrong is no failure: `spine anomalies` and
`spine status` end with 0 whatever they tell. `spine runs cancel` ends with 1 where the run had
ended already or did not stop.
"""

from __future__ import annotations

import click

from spine_assets.cli.anomalies import anomalies
from spine_assets.cli.backfill import backfill
from spine_assets.cli.compare import compare
from spine_assets.cli.completion import completion
from spine_assets.cli.database import db
from spine_assets.cli.doctor import doctor
from spine_assets.cli.fetch import fetch
from spine_assets.cli.finra_sim import finra_sim
from spine_assets.cli.lake import lake
from spine_assets.cli.look import query, status, week
from spine_assets.cli.past import captures, diff, export
from spine_assets.cli.pipelines import pipelines
from spine_assets.cli.report import report
from spine_assets.cli.run import list_pipelines, run
from spine_assets.cli.runs import runs
from spine_assets.cli.shell import shell
from spine_assets.cli.synthetic import sample
from spine_assets.cli.trace import trace


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="spine-assets")
def main() -> None:
    """FINRA weekly OTC Transparency data: look at it, query it, keep it."""


_COMMANDS = (
    list_pipelines,
    run,
    pipelines,
    backfill,
    compare,
    status,
    anomalies,
    runs,
    week,
    report,
    query,
    captures,
    diff,
    trace,
    export,
    sample,
    finra_sim,
    db,
    lake,
    doctor,
    fetch,
    shell,
    completion,
)
for command in _COMMANDS:
    main.add_command(command)


def _keep_examples(command: click.Command) -> None:
    """Make click keep the lines of examples as they are, which a backspace above them asks for.

    Written out, as a linted docstring has it, a backspace is two ordinary characters.
    """
    command.help = (command.help or "").replace("\\b", "\b")
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        _keep_examples(below)


_keep_examples(main)
