"""Commands about pipelines declared in YAML."""

from __future__ import annotations

import json
from pathlib import Path

import click

from spine_assets.cli.shared import NameChoice, as_json_option, told
from spine_assets.declarative.examples import examples


@click.group()
def pipelines() -> None:
    """Pipelines declared in YAML: what is wrong with them, and what their steps may say."""


@pipelines.command("check")
@click.argument(
    "paths", nargs=-1, type=click.Path(path_type=Path, exists=True), metavar="[PATH]..."
)
@as_json_option
@told
def pipelines_check(paths: tuple[Path, ...], as_json: bool) -> None:
    """Read every declaration and tell all that is wrong, with file and line.

    PATH is a file or a folder; default: all of the project. Exit code 1: something is wrong.
    """
    from spine_assets.declarative.reading import files, home, read

    chosen = paths or (home(),)
    wanted = [path for given in chosen for path in ([given] if given.is_file() else files(given))]
    found = read(wanted)
    if as_json:
        faults = [
            {"file": str(item.path), "line": item.line, "key": item.key, "said": item.said}
            for item in found.faults
        ]
        sound = [item.pipeline.pipeline_id for item in found.pipelines]
        click.echo(json.dumps({"sound": sound, "faults": faults}, indent=1))
    else:
        for fault in found.faults:
            click.echo(str(fault))
        names = ", ".join(item.pipeline.pipeline_id for item in found.pipelines)
        click.echo(f"{len(found.pipelines)} sound: {names or 'none'}", err=bool(found.faults))
    if found.faults:
        raise click.exceptions.Exit(1)


@pipelines.command("schema")
@as_json_option
@told
def pipelines_schema(as_json: bool) -> None:
    """Print the JSON schema of a pipeline's attributes, for editors; --json: in one line."""
    from spine_assets.declarative.declaration import Declaration

    schema = Declaration.model_json_schema()
    click.echo(json.dumps(schema) if as_json else json.dumps(schema, indent=1))


@pipelines.command("example")
@click.argument("name", required=False)
@as_json_option
@told
def pipelines_example(name: str | None, as_json: bool) -> None:
    """Copy the example NAME into the definitions; without NAME, list the examples."""
    known = examples()
    if name is None:
        listed = [{"name": item.name, "summary": item.summary} for item in known.values()]
        lines = [f"{item['name']:20} {item['summary']}" for item in listed]
        click.echo(json.dumps(listed, indent=1) if as_json else "\n".join(lines))
        return
    chosen = known[NameChoice(list(known)).convert(name, None, None)]
    try:
        written = [str(path) for path in chosen.copy()]
    except OSError as error:
        raise click.ClickException(str(error)) from error
    following = ["spine pipelines check", chosen.command]
    if as_json:
        click.echo(json.dumps({"written": written, "next": following}, indent=1))
    else:
        click.echo("\n".join([*(f"wrote {path}" for path in written), "Next:"]))
        click.echo("\n".join(f"  {command}" for command in following))
        click.echo("A running Dagster shows it after Reload on the UI's Deployment page.")
