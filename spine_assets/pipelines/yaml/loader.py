"""Finds and reads the pipelines of a folder, without Dagster, and reports problems with their line.

`spine list`, the Dagster components and the documentation read declarations here. Dagster's own
loader reads the same files again. The schema belongs to `model`, rules to `validation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from spine_assets.core.errors import Explained
from spine_assets.pipelines.yaml.model import Declaration
from spine_assets.pipelines.yaml.pipeline import DeclaredPipeline, of_all_tenants
from spine_assets.pipelines.yaml.step_texts import Loc
from spine_assets.pipelines.yaml.validation import checked

COMPONENT = "spine_assets.orchestration.components.DeclarativePipeline"
_FORMER_COMPONENT = "spine_assets.components.DeclarativePipeline"
_NAMES = ("defs.yaml", "defs.yml")


class BadDeclaration(Explained, ValueError):
    """Files that declare no valid pipeline; the message names each file, line and problem."""

    def __init__(self, problems: list[DeclarationProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))


@dataclass(frozen=True)
class DeclarationProblem:
    """A problem of a declaration, and where it is."""

    path: Path
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        key = f" {self.key}" if self.key else ""
        return f"{self.path}:{self.line}{key}: {self.message}"


@dataclass(frozen=True)
class Declared:
    """A pipeline and the file that declares it."""

    path: Path
    pipeline: DeclaredPipeline


@dataclass(frozen=True)
class LoadResult:
    """The valid pipelines of files, and the problems of the others."""

    pipelines: list[Declared]
    problems: list[DeclarationProblem]


def home() -> Path:
    """Folder below which pipelines are declared: that of Dagster's definitions."""
    return Path(__file__).parents[2] / "defs"


def files(folder: Path) -> list[Path]:
    """Files below a folder that may declare pipelines."""
    return sorted(path for path in folder.rglob("defs.y*ml") if path.name in _NAMES)


def declared(folder: Path | None = None) -> list[Declared]:
    """All pipelines that are declared below a folder, one per tenant, in order of their files.

    Args:
        folder: Default: where Dagster looks for definitions.

    Raises:
        BadDeclaration: some are not valid; it lists all problems.
    """
    found = read(files(folder or home()))
    if found.problems:
        raise BadDeclaration(found.problems)
    return found.pipelines


def read(paths: list[Path]) -> LoadResult:
    """The pipelines of files; a name that two pipelines have is a problem too."""
    found = LoadResult([], [])
    for path in paths:
        try:
            nodes = list(yaml.compose_all(path.read_text("utf-8"), Loader=yaml.SafeLoader))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            line, message = mark.line + 1 if mark else 1, f"the file is not valid YAML: {error}"
            found.problems.append(DeclarationProblem(path, line, "", message))
            continue
        if not nodes or nodes == [None]:
            found.problems.append(DeclarationProblem(path, 1, "", "the file is empty"))
        for node in nodes:
            repeated = [
                DeclarationProblem(path, line, key, "is given twice; remove one of the two")
                for line, key in _repeated_keys(node)
            ]
            found.problems.extend(repeated)
            if isinstance(node, yaml.MappingNode):
                _read(path, node, found, is_clear=not repeated)
    return found


def _read(path: Path, node: yaml.MappingNode, found: LoadResult, *, is_clear: bool) -> None:
    """Add the pipelines of one document of a file, or its problems."""

    def report(message: str, loc: Loc = (), within: yaml.Node = node) -> None:
        key = ".".join(str(part) for part in loc)
        found.problems.append(DeclarationProblem(path, line_of(within, loc), key, message))

    kind = getattr(_value_of(node, "type"), "value", None)
    if kind != COMPONENT:
        if isinstance(kind, str) and kind.startswith("spine_assets."):
            state = "has moved" if kind == _FORMER_COMPONENT else "does not exist"
            message = f"the component {kind} {state}; write type: {COMPONENT}"
            report(message, ("type",))
        return
    attributes = _value_of(node, "attributes")
    if attributes is None:
        report("there are no `attributes`")
    if attributes is None or not is_clear:
        return
    values = yaml.SafeLoader("").construct_document(attributes)
    try:
        pipelines = of_all_tenants(checked(Declaration.model_validate(values)))
    except ValidationError as error:
        for item in error.errors():
            report(item["msg"].removeprefix("Value error, "), item["loc"], attributes)
        return
    for pipeline in pipelines:
        same = [item for item in found.pipelines if item.pipeline.name == pipeline.name]
        if same:
            message = f"{pipeline.pipeline_id} is already declared in {same[0].path}"
            report(message, ("pipeline_id",), attributes)
        else:
            found.pipelines.append(Declared(path, pipeline))


def line_of(document: yaml.Node, loc: Loc) -> int:
    """The line of a key, counted from 1; if it is missing, that of the nearest key around it."""
    node, line = document, int(document.start_mark.line)
    for part in loc:
        below = _below(node, part)
        if below is None:
            break
        key, node = below
        line = int(key.start_mark.line)
    return line + 1


def _value_of(document: yaml.Node, key: str) -> Any:
    """The node of a key at the top; None without one."""
    found = _below(document, key)
    return found[1] if found else None


def _repeated_keys(node: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """Keys that a mapping has a second time, with their lines; YAML itself keeps the last."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.start_mark.line + 1, str(key.value)
            seen.add(key.value)
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)


def _below(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """The key and the value of a part; of an item of a list both are the item."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None
