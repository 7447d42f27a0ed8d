"""The line of a file on which a key of its YAML stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

Loc = tuple[str | int, ...]


def line_of(document: yaml.Node, loc: Loc) -> int:
    """The line of a key, counted from 1; of the nearest one around it where it is not there."""
    node: Any = document
    line = int(node.start_mark.line)
    for part in loc:
        found = _below(node, part)
        if found is None:
            break
        key, node = found
        line = int(key.start_mark.line)
    return line + 1


def value_of(document: yaml.Node, key: str) -> Any:
    """The node of a key at the top; None where there is none."""
    found = _below(document, key)
    return found[1] if found else None


def keys_twice(node: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """Keys that a mapping has a second time, with their lines; YAML itself keeps the last."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.start_mark.line + 1, str(key.value)
            seen.add(key.value)
            yield from keys_twice(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from keys_twice(item)


def _below(node: Any, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """The key and the value of a part; of an item of a list both are the item."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None
