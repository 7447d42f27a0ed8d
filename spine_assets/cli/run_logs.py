"""The log of runs for the commands that offer it beside the tables of the lake.

Belongs here: reading it where it is wanted, and telling what is not in it. Does not belong here:
its rows (`history.x_meta`) and its tables (`run_log`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from spine_assets import run_log

if TYPE_CHECKING:
    import duckdb


def add_named(
    connection: duckdb.DuckDBPyConnection, sql: str, newest: int, tenant: str | None = None
) -> None:
    """Add the tables of runs and steps that a query names; nothing where it names none.

    Args:
        connection: Where the query will be asked.
        sql: The query.
        newest: How many runs are read; on standard error is said how many are older.
        tenant: Only runs of this tenant.

    Raises:
        NoInstance: there is no Dagster storage here.
    """
    if not (named := run_log.named_in(sql)):
        return
    from spine_assets.history import open_instance, x_meta

    with open_instance() as instance:
        log = x_meta.read(instance, limit=newest, tenant=tenant, tables=named)
    run_log.create(connection, named)
    run_log.append(connection, log)
    if log.left_out:
        names = " and ".join(table.name for table in named)
        click.echo(
            f"{names}: the newest {newest:,} of {newest + log.left_out:,} runs; "
            f"--runs {newest + log.left_out} reads them all, and spine db build FILE writes them "
            "into a file",
            err=True,
        )


@contextmanager
def all_pages() -> Iterator[Iterator[run_log.RunLog] | None]:
    """The log of all runs in pages; None, and a word about it, where there is no Dagster here."""
    from spine_assets.history import NoInstance, open_instance, x_meta

    with ExitStack() as stack:
        pages = None
        try:
            pages = x_meta.pages(stack.enter_context(open_instance()))
        except NoInstance as error:
            click.echo(f"the file is made without the tables of runs: {error}", err=True)
        yield pages
