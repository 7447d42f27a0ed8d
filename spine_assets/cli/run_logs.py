"""The log of runs for commands that offer it beside the tables of the lake.

Belongs here: reading the log when a command needs it, and reporting what is not in it. Does not
belong here: its rows (`history.run_log_frames`) and its tables (`warehouse.run_tables`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import click
import duckdb

from spine_assets.warehouse import run_tables


def add_named(
    connection: duckdb.DuckDBPyConnection, sql: str, newest: int, tenant: str | None = None
) -> None:
    """Add the tables of runs and steps that a query names; nothing if it names none.

    Args:
        connection: Where the query will run.
        sql: The query.
        newest: How many runs are read; a message on standard error counts the older ones.
        tenant: Only runs of this tenant.

    Raises:
        NoInstance: there is no Dagster storage here.
    """
    if not (named := run_tables.named_in(sql)):
        return
    from spine_assets.orchestration.history import open_instance, run_log_frames  # noqa: PLC0415 - Dagster is slow to import

    with open_instance() as instance:
        log = run_log_frames.read(instance, limit=newest, tenant=tenant, tables=named)
    run_tables.create(connection, named)
    run_tables.append(connection, log)
    if log.left_out:
        names = " and ".join(table.name for table in named)
        click.echo(
            f"{names}: the newest {newest:,} of {newest + log.left_out:,} runs; "
            f"--runs {newest + log.left_out} reads them all, and spine db build FILE writes them "
            "into a file",
            err=True,
        )


@contextmanager
def all_pages() -> Iterator[Iterator[run_tables.RunLog] | None]:
    """The log of all runs in pages; without a Dagster storage None, after a message."""
    from spine_assets.orchestration.history import (  # noqa: PLC0415 - Dagster is slow to import
        NoInstance,
        open_instance,
        run_log_frames,
    )

    with ExitStack() as stack:
        pages = None
        try:
            pages = run_log_frames.pages(stack.enter_context(open_instance()))
        except NoInstance as error:
            click.echo(f"the file is written without the tables of runs: {error}", err=True)
        yield pages
