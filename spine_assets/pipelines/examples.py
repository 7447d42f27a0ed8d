"""The example pipelines that come with the project, and how one is copied into the definitions.

An example is not part of the code location until it is copied. There are two forms. `NAME.yaml`
is a pipeline in YAML; it is copied to `pipelines/NAME/defs.yaml` below the folder of the
definitions, and a module `NAME.py` beside it, which has the functions of its steps, to
`functions.py` in the same folder. A folder `NAME` is a domain in Python and is copied as it is.
Finding and validating the pipelines of the code location belongs to `yaml.loader`.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import spine_assets

_PACKAGE = Path(spine_assets.__path__[0])
_TRY = re.compile(r"Try it: (.+)")


@dataclass(frozen=True)
class Example:
    """An example that can be copied.

    Attributes:
        summary: One sentence for lists.
        command: What runs it, once it is copied and the sample of `make demo` is built.
        files: Its files, each with its place below the folder of the definitions.
    """

    name: str
    summary: str
    command: str
    files: dict[Path, Path]

    def copy(self, defs: Path | None = None) -> list[Path]:
        """Copy the example and return the files that were written.

        Args:
            defs: Folder of definitions; default: where Dagster looks for them.

        Raises:
            FileExistsError: its folder exists; nothing was written.
        """
        root = defs or _PACKAGE / "defs"
        targets = {source: root / place for source, place in self.files.items()}
        for folder in {target.parent for target in targets.values()}:
            if folder.exists():
                raise FileExistsError(
                    f"{folder} exists; nothing was written. Move or delete it to copy {self.name}"
                )
        for source, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        return list(targets.values())


def examples() -> dict[str, Example]:
    """All examples by name."""
    root = _folder()
    found = [_of_yaml(path) for path in root.glob("*.yaml")]
    found += [_of_folder(path.parent) for path in root.glob("*/__init__.py")]
    return {item.name: item for item in sorted(found, key=lambda item: item.name)}


def _folder() -> Path:
    """`examples` of the package where it is installed from a wheel, else that of the checkout."""
    packed = _PACKAGE / "examples"
    return packed if packed.is_dir() else _PACKAGE.parent / "examples" / "pipelines"


def _of_yaml(path: Path) -> Example:
    target = Path("pipelines", path.stem)
    files = {path: target / "defs.yaml"}
    functions = path.with_suffix(".py")
    if functions.exists():
        files[functions] = target / "functions.py"
    return _example(path.stem, path, files)


def _of_folder(folder: Path) -> Example:
    files = {path: Path(folder.name, path.name) for path in sorted(folder.glob("*.py"))}
    return _example(folder.name, folder / "__init__.py", files)


def _example(name: str, described: Path, files: dict[Path, Path]) -> Example:
    """The first line of a file is the summary; `Try it:` begins the line of the command."""
    text = described.read_text("utf-8")
    found = _TRY.search(text)
    return Example(
        name, text.partition("\n")[0].lstrip('# "'), found[1].strip() if found else "", files
    )
