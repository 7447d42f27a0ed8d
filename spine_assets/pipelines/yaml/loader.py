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

from spine_assets.pipelines.yaml.model import Declaration
from spine_assets.pipelines.yaml.pipeline import DeclaredPipeline, of_all_tenants
from spine_assets.pipelines.yaml.validation import checked
from spine_assets.pipelines.yaml.yaml_lines import keys_twice, line_of, value_of

COMPONENT = "spine_assets.orchestration.components.DeclarativePipeline"
_FORMER_COMPONENT = "spine_assets.components.DeclarativePipeline"
_NAMES = ("defs.yaml", "defs.yml")


class BadDeclaration(ValueError):
    """Files that declare no sound pipeline; the message names each file, line and fault."""

    def __init__(self, faults: list[FaultAt]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


@dataclass(frozen=True)
class FaultAt:
    """What is wrong with a declaration, and where."""

    path: Path
    line: int
    key: str
    said: str

    def __str__(self) -> str:
        key = f" {self.key}" if self.key else ""
        return f"{self.path}:{self.line}{key}: {self.said}"


@dataclass(frozen=True)
class Declared:
    """A pipeline and the file that declares it."""

    path: Path
    pipeline: DeclaredPipeline


@dataclass(frozen=True)
class Found:
    """What files declare, sound or not."""

    pipelines: list[Declared]
    faults: list[FaultAt]


def home() -> Path:
    """Folder below which pipelines are declared: that of Dagster's definitions."""
    return Path(__file__).parents[2] / "defs"


def files(folder: Path) -> list[Path]:
    """Files below a folder that may declare pipelines."""
    return sorted(path for path in folder.rglob("defs.y*ml") if path.name in _NAMES)


def declared(folder: Path | None = None) -> list[Declared]:
    """All pipelines that are declared below a folder, a tenant each, by their files.

    Args:
        folder: Default: where Dagster looks for definitions.

    Raises:
        BadDeclaration: some are not sound; tells all that is wrong.
    """
    found = read(files(folder or home()))
    if found.faults:
        raise BadDeclaration(found.faults)
    return found.pipelines


def read(paths: list[Path]) -> Found:
    """What files declare; names that two pipelines have are faults too."""
    found = Found([], [])
    for path in paths:
        try:
            nodes = list(yaml.compose_all(path.read_text("utf-8"), Loader=yaml.SafeLoader))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark else 1
            found.faults.append(FaultAt(path, line, "", f"this is no YAML: {error}"))
            continue
        if not nodes or nodes == [None]:
            found.faults.append(FaultAt(path, 1, "", "the file is empty"))
        for node in nodes:
            kind = _type_of(node) if isinstance(node, yaml.MappingNode) else None
            twice = list(keys_twice(node))
            found.faults.extend(
                FaultAt(path, line, key, "stands here a second time; one of the two would be lost")
                for line, key in twice
            )
            if kind == COMPONENT and not twice and isinstance(node, yaml.MappingNode):
                _read(path, node, found)
            elif kind is not None and kind != COMPONENT and kind.startswith("spine_assets."):
                line = line_of(node, ("type",))
                problem = "has moved" if kind == _FORMER_COMPONENT else "does not exist"
                said = f"the component {kind} {problem}; write type: {COMPONENT}"
                found.faults.append(FaultAt(path, line, "type", said))
    return found


def _read(path: Path, node: yaml.MappingNode, found: Found) -> None:
    attributes = value_of(node, "attributes")
    if attributes is None:
        found.faults.append(FaultAt(path, line_of(node, ()), "", "there are no `attributes`"))
        return
    raw = _plain(attributes)
    try:
        pipelines = of_all_tenants(checked(Declaration.model_validate(raw)))
    except ValidationError as error:
        found.faults.extend(
            FaultAt(
                path,
                line_of(attributes or node, fault["loc"]),
                ".".join(str(part) for part in fault["loc"]),
                fault["msg"].removeprefix("Value error, "),
            )
            for fault in error.errors()
        )
        return
    for pipeline in pipelines:
        taken = [item for item in found.pipelines if item.pipeline.name == pipeline.name]
        if taken:
            said = f"{pipeline.pipeline_id} is declared in {taken[0].path} already"
            line = line_of(attributes or node, ("pipeline_id",))
            found.faults.append(FaultAt(path, line, "pipeline_id", said))
        else:
            found.pipelines.append(Declared(path, pipeline))


def _type_of(node: yaml.MappingNode) -> str | None:
    held = value_of(node, "type")
    return held.value if isinstance(held, yaml.ScalarNode) else None


def _plain(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()
