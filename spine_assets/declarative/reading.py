"""Finds and reads the pipelines of a folder, without Dagster.

`spine list`, the wiring and the reference read declarations here. Dagster's own loader reads the
same files once more, and is who tells the file and line of a mistake.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from spine_assets.declarative.consistency import checked
from spine_assets.declarative.declaration import Declaration
from spine_assets.declarative.pipeline import DeclaredPipeline, of_all_tenants

COMPONENT = "spine_assets.components.DeclarativePipeline"
_NAMES = ("defs.yaml", "defs.yml")


class BadDeclaration(ValueError):
    """A file that declares no sound pipeline; says which and where."""


@dataclass(frozen=True)
class Declared:
    """A pipeline and the file that declares it."""

    path: Path
    pipeline: DeclaredPipeline


def home() -> Path:
    """Folder below which pipelines are declared."""
    import spine_assets.defs

    return Path(spine_assets.defs.__path__[0])


def declared(folder: Path | None = None) -> list[Declared]:
    """All pipelines that are declared below a folder, a tenant each, by their files.

    Args:
        folder: Default: where Dagster looks for definitions.

    Raises:
        BadDeclaration: a file is no YAML, or declares what cannot be.
    """
    found: list[Declared] = []
    for path in sorted(
        item for item in (folder or home()).rglob("defs.y*ml") if item.name in _NAMES
    ):
        for attributes in _documents(path):
            try:
                declaration = checked(Declaration.model_validate(attributes))
            except ValidationError as error:
                raise BadDeclaration(f"{path}: {_said(error)}") from error
            found += [Declared(path, pipeline) for pipeline in of_all_tenants(declaration)]
    return found


def _documents(path: Path) -> list[Any]:
    """The attributes of each pipeline in a file; other components are passed over."""
    try:
        documents = list(yaml.safe_load_all(path.read_text("utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadDeclaration(f"{path} is no YAML: {error}") from error
    return [
        document.get("attributes") or {}
        for document in documents
        if isinstance(document, dict) and document.get("type") == COMPONENT
    ]


def _said(error: ValidationError) -> str:
    told = [
        f"{'.'.join(str(part) for part in fault['loc'])}: "
        f"{fault['msg'].removeprefix('Value error, ')}"
        for fault in error.errors()
    ]
    return f"{'; '.join(told)} (.venv/bin/dg check defs shows the lines)"
