"""What Dagster recorded, for commands that offer it beside the tables of the lake.

Belongs here: reading it when a command needs it, and reporting what is not in it. Does not belong
here: its rows (`history.run_log_frames`, `history.core_frames`) and its tables (`warehouse`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain

import click
import duckdb

from spine_assets.cli.errors import open_lake
from spine_assets.warehouse import run_tables
from spine_assets.warehouse.core_tables import CORE_TABLES


def add_named(
    connection: duckdb.DuckDBPyConnection, sql: str, newest: int, tenant: str | None = None
) -> None:
    """Add the tables that are read from Dagster and that a query names; nothing if it names none.

    Args:
        connection: Where the query will run.
        sql: The query.
        newest: How many runs are read; a message on standard error counts the older ones.
        tenant: Only runs of this tenant.

    Raises:
        NoInstance: there is no Dagster storage here.
        OtherLake: the query names the manifest or the anomalies, and they are of another lake.
    """
    named, core = run_tables.named_in(sql), run_tables.named_in(sql, CORE_TABLES)
    if not named and not core:
        return
    from spine_assets.orchestration.history import (  # noqa: PLC0415 - Dagster is slow to import
        core_frames,
        open_instance,
        run_log_frames,
    )

    log = run_tables.RunLog({})
    with open_instance(of=open_lake() if core else None) as instance:
        if named:
            log = run_log_frames.read(instance, limit=newest, tenant=tenant, tables=named)
        found = core_frames.read(instance, core, tenant=tenant)
    run_tables.create(connection, (*named, *core))
    run_tables.append(connection, log)
    run_tables.append(connection, found)
    if log.left_out:
        names = " and ".join(table.name for table in named)
        click.echo(
            f"{names}: the newest {newest:,} of {newest + log.left_out:,} runs; "
            f"--runs {newest + log.left_out} reads them all, and spine db build FILE writes them "
            "into a file",
            err=True,
        )


@contextmanager
def log_pages(*, runs: bool = False) -> Iterator[Callable[[], Iterable[run_tables.RunLog]] | None]:
    """What reads manifest and anomalies; with `runs` the log of all runs before, in pages.

    None, after a message, where there is no Dagster storage of this lake.
    """
    from spine_assets.orchestration.history import (  # noqa: PLC0415 - Dagster is slow to import
        NoInstance,
        OtherLake,
        core_frames,
        open_instance,
        run_log_frames,
    )

    with ExitStack() as stack:
        try:
            instance = stack.enter_context(open_instance(of=open_lake(may_begin=True)))
        except (NoInstance, OtherLake) as error:
            if runs or isinstance(error, OtherLake):
                click.echo(f"what Dagster recorded is left out: {error}", err=True)
            yield None
            return
        logged = run_log_frames.pages(instance) if runs else ()
        yield lambda: chain(logged, map(core_frames.read, [instance]))
