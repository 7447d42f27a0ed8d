"""Errors put into the code on purpose, one at a time: do the tests notice each of them?

    python -m spine_assets_tests.abuse.mutants --only build

`spine_assets_tests/data/mutants.toml` lists them: a text that stands once in a file, what somebody
might have written by mistake instead, and the tests that should notice. The project is copied to a
temporary folder, so the checkout is never changed. All of them take the best part of an hour. Does
not belong here: making up mutants; each in the list was chosen by a person.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]
LISTED = ROOT / "spine_assets_tests" / "data" / "mutants.toml"
_COPIED = ("spine_assets", "spine_assets_tests", "examples", "data/sample")
_COPIED_FILES = ("pyproject.toml", "dagster.yaml", "workspace.yaml")
_MOST_SECONDS = 600  # some errors make a test wait for ever, which is noticed too
_PYTEST = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-n", "0")


@dataclass(frozen=True)
class Mutant:
    """An error in one file, and the tests that should notice it.

    Attributes:
        id: Its name.
        area: What it is in, for `--only`.
        file: The file, below the project's root.
        old: A text that stands in it exactly once.
        new: What stands there instead.
        tests: Files of tests, below the project's root; their long tests are left out.
    """

    id: str
    area: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, root: Path) -> str:
        """The text of its file with the error in it.

        Raises:
            ValueError: the old text does not stand there exactly once.
        """
        text = (root / self.file).read_text("utf-8")
        if (count := text.count(self.old)) != 1:
            raise ValueError(f"{self.id}: its old text stands {count} times in {self.file}")
        return text.replace(self.old, self.new)


def listed() -> list[Mutant]:
    """All mutants, in the order of the list."""
    found = tomllib.loads(LISTED.read_text("utf-8"))["mutant"]
    return [Mutant(**{**item, "tests": tuple(item["tests"])}) for item in found]


def is_noticed(mutant: Mutant, root: Path) -> bool:
    """Whether its tests fail in a copy of the project that has the error."""
    file = root / mutant.file
    sound = file.read_text("utf-8")
    file.write_text(mutant.applied(root), "utf-8")
    # Without compiled files, since two texts of one size and second would be taken for the same.
    env = os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *_PYTEST, *mutant.tests]
    try:
        done = subprocess.run(
            command, cwd=root, env=env, capture_output=True, check=False, timeout=_MOST_SECONDS
        )
    except subprocess.TimeoutExpired:
        return True
    finally:
        file.write_text(sound, "utf-8")
    if done.returncode > 1:  # it did not get as far as a test
        raise click.ClickException(f"{mutant.id}: {(done.stdout + done.stderr).decode()}")
    return done.returncode == 1


@click.command()
@click.option("--only", help="An area of the list, or the id of one mutant.")
def main(only: str | None) -> None:
    """Put each error into a copy of the project and run the tests that should notice it."""
    chosen = [item for item in listed() if only in {None, item.area, item.id}]
    if not chosen:
        raise click.UsageError(f"{only} is neither an area nor an id in {LISTED.name}")
    survivors = []
    with tempfile.TemporaryDirectory(prefix="spine-mutants-") as folder:
        root = Path(folder)
        for name in _COPIED:
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in _COPIED_FILES:
            shutil.copy(ROOT / name, root)
        for number, mutant in enumerate(chosen, start=1):
            started = time.monotonic()
            result = "noticed" if is_noticed(mutant, root) else "SURVIVED"
            survivors += [mutant.id] if result == "SURVIVED" else []
            seconds = time.monotonic() - started
            click.echo(f"{number}/{len(chosen)} {mutant.id}: {result} ({seconds:.0f} s)")
    click.echo(f"{len(chosen) - len(survivors)} of {len(chosen)} noticed")
    sys.exit(f"not noticed: {', '.join(survivors)}" if survivors else 0)


if __name__ == "__main__":
    main()
