"""The `spine` command: a thin front over the lake, the warehouse and Dagster's memory.

Heavy modules are imported by the command that needs them, so that `spine --help` answers
at once. Exit codes: 0 done, 1 failed (the message says why), 2 wrong usage.
"""

from __future__ import annotations

import click

from spine_assets.cli.database import db
from spine_assets.cli.look import query, status, week
from spine_assets.cli.past import captures, diff, export
from spine_assets.cli.synthetic import sample


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="spine-assets")
def main() -> None:
    """FINRA weekly OTC Transparency data: look at it, query it, keep it."""


for command in (status, week, query, captures, diff, export, sample, db):
    main.add_command(command)
