"""A copy of the project's code, into which examples are copied as a person would copy them."""

from __future__ import annotations

import shutil
from pathlib import Path

from spine_assets.pipelines.examples import examples

SOURCE = Path(__file__).parents[2]


def copy_code(root: Path, *names: str) -> Path:
    """Copy the code and its examples, and some of them into its definitions.

    Python takes this code instead of the installed one where `root` is on its path first.

    Returns:
        The folder of its definitions.
    """
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("spine_assets", "examples"):
        shutil.copytree(SOURCE / folder, root / folder, ignore=ignored)
    defs = root / "spine_assets" / "defs"
    for example in examples().values():  # someone may have copied it in this checkout
        for place in example.files.values():
            shutil.rmtree((defs / place).parent, ignore_errors=True)
    for name in names:
        examples()[name].copy(defs)
    return defs
