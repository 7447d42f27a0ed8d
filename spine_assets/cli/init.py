"""The command that makes a project: a folder with Dagster's configuration and our settings.

Belongs here: which files a project begins with. Their content is that of the files in the root of
the repository, which the wheel brings along. Does not belong here: finding the project of a folder
(`core.project_root`).
"""

from __future__ import annotations

import os
from pathlib import Path

import click

import spine_assets
from spine_assets.cli.errors import with_json
from spine_assets.cli.shared import print_json, visible
from spine_assets.lake import atomic_write

TEMPLATES = ("dagster.yaml", "workspace.yaml", ".env.example")
"""Files that are copied as they are."""
_PACKAGE = Path(spine_assets.__path__[0])
_IGNORED = b".env\n.tmp_dagster_home_*/\n/data/\n"
_LANDING = Path("data", "landing")
_NEXT = (
    ("spine demo", "load twelve synthetic weeks into data/demo and look around"),
    ("spine backfill --missing", f"or build files that you dropped into {_LANDING}"),
    ("spine ui", "Dagster's UI on http://127.0.0.1:3000; it also builds such files"),
)


@click.command()
@click.argument(
    "folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False)
)
@with_json
def init(folder: Path, as_json: bool) -> None:
    r"""Make DIR a project: configuration, settings, landing folder.

    \b
    spine init otc

    DIR is the working folder by default. A file that is already there stays as it is.
    """
    contents = {name: _template(name).read_bytes() for name in TEMPLATES}
    contents[".gitignore"] = _IGNORED
    (folder / _LANDING).mkdir(parents=True, exist_ok=True)
    with atomic_write.locked(folder / "data"):
        written = {name: _write_new(folder / name, content) for name, content in contents.items()}
    kept = [name for name, is_new in written.items() if not is_new]
    new = [name for name, is_new in written.items() if is_new]
    home = os.environ.get("DAGSTER_HOME")
    other = home if home and Path(home).expanduser().resolve() != folder.resolve() else None
    if as_json:
        print_json({"folder": str(folder.absolute()), "written": new, "kept": kept})
        return
    click.echo(f"{visible(str(folder.absolute()))} is a project")
    for names, what in ((new, "wrote"), (kept, "kept as they were:")):
        if names:
            click.echo(f"{what} {', '.join(names)}")
    if other:
        click.echo(f"DAGSTER_HOME names another project, {visible(other)}: unset it", err=True)
    click.echo("Next:")
    if folder.resolve() != Path.cwd():
        click.echo(f"  cd {visible(str(folder))}")
    for command, what in _NEXT:
        click.echo(f"  {command:26} # {what}")


def _template(name: str) -> Path:
    """A file of the wheel; in a checkout that of its root, which is the same."""
    packed = _PACKAGE / "project" / name
    return packed if packed.is_file() else _PACKAGE.parent / name


def _write_new(path: Path, content: bytes) -> bool:
    """Write a file, complete or not at all, unless there is one; return whether it was written.

    Under the lock of the project's data, as it deletes what others write beside the file.
    """
    if os.path.lexists(path):
        return False
    atomic_write.remove_leftovers(path)  # of an init that was killed
    atomic_write.write(path, content)
    return True
