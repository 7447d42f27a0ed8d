"""Commands about the pipelines that are declared in YAML."""

from __future__ import annotations

from pathlib import Path

import click

from spine_assets.cli.errors import with_json
from spine_assets.cli.shared import NameChoice, print_json
from spine_assets.pipelines.examples import examples
from spine_assets.pipelines.yaml.loader import files, home, read
from spine_assets.pipelines.yaml.model import Declaration


@click.group()
def pipelines() -> None:
    """Validate pipelines that are declared in YAML; copy examples."""


@pipelines.command("check")
@click.argument(
    "paths", nargs=-1, type=click.Path(path_type=Path, exists=True), metavar="[PATH]..."
)
@with_json
def pipelines_check(paths: tuple[Path, ...], as_json: bool) -> None:
    """Validate every declaration; list problems with file and line.

    PATH is a file or a folder; default: the whole project. Exit code 1: there are problems.
    """
    chosen = paths or (home(),)
    wanted = [path for given in chosen for path in ([given] if given.is_file() else files(given))]
    found = read(wanted)
    if as_json:
        faults = [
            {"file": str(item.path), "line": item.line, "key": item.key, "said": item.message}
            for item in found.problems
        ]
        sound = [item.pipeline.pipeline_id for item in found.pipelines]
        print_json({"sound": sound, "faults": faults})
    else:
        for fault in found.problems:
            click.echo(str(fault))
        names = ", ".join(item.pipeline.pipeline_id for item in found.pipelines)
        click.echo(f"{len(found.pipelines)} sound: {names or 'none'}", err=bool(found.problems))
    if found.problems:
        raise click.exceptions.Exit(1)


@pipelines.command("schema")
@with_json
def pipelines_schema(as_json: bool) -> None:
    """Print the JSON schema of a pipeline's attributes, for editors.

    With --json it is on one line.
    """
    print_json(Declaration.model_json_schema(), indent=None if as_json else 1)


@pipelines.command("example")
@click.argument("name", required=False)
@with_json
def pipelines_example(name: str | None, as_json: bool) -> None:
    """Copy the example NAME into the definitions, or list examples."""
    known = examples()
    if name is None:
        if as_json:
            print_json([{"name": item.name, "summary": item.summary} for item in known.values()])
        else:
            click.echo("\n".join(f"{item.name:20} {item.summary}" for item in known.values()))
        return
    chosen = known[NameChoice(list(known)).convert(name, None, None)]
    written = [str(path) for path in chosen.copy()]
    commands = ["spine pipelines check", chosen.command]
    if as_json:
        print_json({"written": written, "next": commands})
    else:
        click.echo("\n".join([*(f"wrote {path}" for path in written), "Next:"]))
        click.echo("\n".join(f"  {command}" for command in commands))
        click.echo("A running Dagster shows it after Reload on the UI's Deployment page.")
