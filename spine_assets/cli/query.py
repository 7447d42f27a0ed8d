"""The command that runs one SELECT over the tables."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
import duckdb

from spine_assets.cli import nothing_found, run_logs
from spine_assets.cli.errors import note_synthetic, open_lake, with_json
from spine_assets.cli.render import query as render_query
from spine_assets.cli.render.console import row_limit
from spine_assets.cli.shared import COUNT, print_json, print_rows
from spine_assets.core.settings import load_settings
from spine_assets.core.text import nearest
from spine_assets.core.values import csv_text, records
from spine_assets.otc.state.consolidated import changed_since
from spine_assets.otc.tables.registry import TABLES
from spine_assets.pipelines.steps.workspace import Workspace, tenants_in
from spine_assets.pipelines.yaml import loader
from spine_assets.warehouse import run_tables
from spine_assets.warehouse.connection import beginning, connect, create
from spine_assets.warehouse.query_result_file import write_answer
from spine_assets.warehouse.reading import problem_of
from spine_assets.warehouse.views import declared_views, needs_analysis

_OF_GIVEN = re.compile("otc_(off_exchange_share|consolidated_volume)")
_MOST_ROWS = 2_000_000  # printed; in memory they take some gigabytes


@click.command()
@click.argument("sql")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--all", "every", is_flag=True, help="Print all rows, also on a terminal.")
@click.option(
    "--parquet",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the rows, however many, to a Parquet FILE.",
)
@click.option(
    "--runs",
    "newest",
    type=COUNT,
    default=run_tables.NEWEST,
    show_default=True,
    help="How many of the newest runs the x_meta tables hold.",
)
@click.option("--tenant", help="Query as this tenant: shared tables, and its own tables and runs.")
@with_json
def query(
    sql: str,
    as_csv: bool,
    every: bool,
    parquet: Path | None,
    newest: int,
    tenant: str | None,
    as_json: bool,
) -> None:
    r"""Run one SELECT over the tables, without locks or changes.

    \b
    spine query "FROM otc_venue_share ORDER BY week_ending DESC, rank LIMIT 10"
    spine query "FROM otc_venue_volume" --parquet volume.parquet

    Runs and their steps, the manifest and the anomalies are tables too, read from Dagster when a
    query names them:

    \b
    spine query "FROM x_meta_pipeline_runs WHERE status = 'FAILED'"
    spine query "FROM core_manifest WHERE status <> 'complete'"

    A terminal shows the first 40 rows; where a row is too wide, without columns that lead back to
    files, or 10 rows as a block of lines each. A pipe or a file gets up to 2,000,000 rows, a line
    each, with numbers as --csv has them. With --parquet, --json describes the file that was
    written. With --tenant a query cannot open other files.
    """
    if parquet and as_csv:
        raise click.UsageError("give --csv or --parquet, not both")
    if parquet and tenant:
        raise click.UsageError("--tenant cannot write a file; print --csv, or use spine export")
    sql = os.fsencode(sql).decode(errors="replace")  # an argument is UTF-8, also in the C locale
    if problem := problem_of(sql):
        raise click.ClickException(f"{problem}; to write, open the database with DuckDB itself")
    with _warehouse_of(sql, tenant) as warehouse:
        run_logs.add_named(warehouse, sql, newest, tenant)
        synthetic = note_synthetic(open_lake())
        if parquet:
            written = write_answer(warehouse, sql, parquet)
            facts = {"file": str(parquet), "rows": written, "synthetic": synthetic}
            done = json.dumps(facts)
            click.echo(done if as_json else f"wrote {written:,} rows to {parquet}", err=not as_json)
            rows: list[tuple[Any, ...]] = [(written,)] if written else []
        else:
            screen = None if as_json or as_csv else row_limit(every)
            most = screen or _MOST_ROWS
            names, rows, total = beginning(warehouse, sql, most, counted=screen is not None)
            if total > most and not screen:
                raise click.ClickException(
                    f"more than {most:,} rows are not printed: write them with --parquet FILE, or "
                    "add a LIMIT"
                )
            if as_json:
                print_json(records(names, rows))
            elif as_csv:
                print_rows(csv_text(names, rows))
            else:
                render_query.printed(names, rows, total, every=every, sql=sql)
        nothing_found.explain(warehouse, open_lake(), sql, rows)
    if _OF_GIVEN.search(sql) and (changed := changed_since(open_lake(), load_settings())):
        click.echo(f"note: {changed}", err=True)


@contextmanager
def _warehouse_of(sql: str, tenant: str | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private in-memory database with views, for one query."""
    lake = open_lake()
    if tenant is not None:
        with _tenant_warehouse(tenant) as connection:
            yield connection
        return
    with connect(lake, TABLES, analysis=needs_analysis(sql)) as connection:
        create(connection, partial(declared_views, lake))
        yield connection


@contextmanager
def _tenant_warehouse(tenant: str) -> Iterator[duckdb.DuckDBPyConnection]:
    workspace = Workspace.of(load_settings(), tenant)
    known = tenants_in(workspace.shared)
    if tenant not in known:
        declared = [item.pipeline for item in loader.declared()]
        own = [item.pipeline_id for item in declared if item.tenant_id == tenant]
        if own:
            raise click.ClickException(
                f"{tenant} has no tables yet; spine run {own[0]} builds some"
            )
        hint = nearest(tenant, known) if known else "no tenant has tables yet"
        raise click.ClickException(f"there is no tenant {tenant}; {hint}")
    with workspace.connect() as connection:
        yield connection
