"""`python -m spine_assets.dev.local_cluster`: the cluster until Ctrl-C."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path

import click

from spine_assets.dev.local_cluster.processes import CannotStart
from spine_assets.dev.local_cluster.topology import Cluster, ClusterOptions, Lakes, running

_POLL_SECONDS = 2.0
_SAMPLE = Path(__file__).parents[3] / "data" / "sample"
_SAMPLE_LANDING = "synthetic"  # the folder below `landing` into which `make demo` puts it too
_NAMED = (
    "DAGSTER_HOME",
    "DAGSTER_POSTGRES_URL",
    "CELERY_BROKER_URL",
    "CELERY_RESULT_BACKEND",
    "SPINE_DATA_DIR",
    "SPINE_WEEKS_PER_RUN",
    "SPINE_LAKE",
)
"""Variables that another terminal needs; `AWS_*`, too, where the lake is in the S3 server."""


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=Path("data/cluster"))
@click.option("--lake", type=click.Choice(["local", "s3"]), default="s3")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--weeks-per-run", type=click.IntRange(1), default=5, show_default=True)
@click.option(
    "--port", type=click.IntRange(0), default=0, help="Port of the webserver; 0: a free one."
)
@click.option("--sample/--no-sample", default=True, help="Copy the sample into the landing folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(
    data: Path,
    lake: Lakes,
    workers: int,
    weeks_per_run: int,
    port: int,
    *,
    sample: bool,
    as_json: bool,
) -> None:
    """Start PostgreSQL, Redis, Dagster and workers on this machine, until Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the same as Ctrl-C
    options = ClusterOptions(data, lake, workers, weeks_per_run, port)
    if sample:
        shutil.copytree(_SAMPLE / "first", data / "landing" / _SAMPLE_LANDING, dirs_exist_ok=True)
    try:
        with running(options) as cluster:
            variables = _env_file(data, cluster)
            table = _table(cluster, variables, data, sample=sample)
            click.echo(_as_json(cluster) if as_json else table)
            _until_one_ends(cluster)
    except CannotStart as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("\nThe cluster is stopped.", err=True)


def _until_one_ends(cluster: Cluster) -> None:
    """Wait, and report each process that ends, once."""
    ended: set[str] = set()
    while True:
        for name, child in cluster.children.items():
            if name not in ended and child.process.poll() is not None:
                ended.add(name)
                code = child.process.returncode
                click.echo(f"{name} ended ({code}); its log is {child.log}", err=True)
        time.sleep(_POLL_SECONDS)


def _env_file(data: Path, cluster: Cluster) -> Path:
    """Write the variables for another terminal; the file has passwords and is private."""
    file = data.absolute() / "env.sh"
    names = [*_NAMED, *sorted(name for name in cluster.env if name.startswith("AWS_"))]
    programs = shlex.quote(str(Path(sys.executable).parent))
    given = {name: shlex.quote(cluster.env[name]) for name in names if name in cluster.env}
    lines = [f"export {name}={value}\n" for name, value in given.items()]
    with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as out:
        out.writelines([f'export PATH={programs}:"$PATH"\n', *lines])
    return file


def _as_json(cluster: Cluster) -> str:
    pids = {name: child.pid for name, child in cluster.children.items()}
    logs = {name: str(child.log) for name, child in cluster.children.items()}
    return json.dumps({"addresses": cluster.addresses, "pids": pids, "logs": logs})


def _table(cluster: Cluster, variables: Path, data: Path, *, sample: bool) -> str:
    """What runs where, and the next steps as commands for another terminal."""
    rows = [f"  {name:<12} {address}" for name, address in sorted(cluster.addresses.items())]
    rows += [
        f"  {name:<12} process {child.pid}"
        for name, child in cluster.children.items()
        if name not in cluster.addresses
    ]
    landing = data / "landing"
    here = f"the sample's files are in {landing}" if sample else f"drop files into {landing}"
    later = f"cp -R {_from_here(_SAMPLE / 'later')}/. {landing / _SAMPLE_LANDING}/"
    lines = [
        "The cluster is running:",
        *rows,
        f"  Logs are in {data / 'logs'}.",
        "",
        f"Next: {here}; within a minute the workers",
        f"start to build them. Watch {cluster.webserver}/runs, or run in another terminal:",
        f"  . {_from_here(variables)}   # spine and dagster then work on this cluster",
        "  spine status",
        *([f"  {later}   # a late tier and a corrected file"] if sample else []),
        "  spine backfill --force --queue --wait   # builds all weeks again, on the workers",
        "  spine week --top 5",
        "",
        "Ctrl-C stops everything. PostgreSQL, Redis and the S3 server keep no data.",
    ]
    return "\n".join(lines)


def _from_here(path: Path) -> Path:
    """The path relative to the working folder, if it is below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


if __name__ == "__main__":
    sys.exit(main())
