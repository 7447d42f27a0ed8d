"""The texts of a step's parts: where they are, and the parts with the names in them replaced.

What a name may be and how a text is rendered belongs to `templates`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from spine_assets.pipelines.steps.engine import SqlText
from spine_assets.pipelines.yaml.templates import Value, render

Loc = tuple[str | int, ...]
"""The path of a key: names of keys, and positions in lists."""


def texts(value: Any, loc: Loc = ()) -> Iterator[tuple[Loc, str, bool]]:
    """All texts of a part with their places, and whether each is SQL."""
    if isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            held = getattr(value, name)
            is_sql = any(isinstance(mark, SqlText) for mark in _marks(info))
            if is_sql and isinstance(held, str):
                yield (*loc, name), held, True
            else:
                yield from texts(held, (*loc, name))
    elif isinstance(value, dict):
        for name, held in value.items():
            yield from texts(held, (*loc, name))
    elif isinstance(value, (list, tuple)):
        for number, held in enumerate(value):
            yield from texts(held, (*loc, number))
    elif isinstance(value, str):
        yield loc, value, False


def _marks(info: Any) -> list[Any]:
    """What annotates a field, also within `Sql | None`."""
    found = list(info.metadata)
    for option in getattr(info.annotation, "__args__", ()):
        found += getattr(option, "__metadata__", ())
    return found


def rendered(part: BaseModel, values: Mapping[str, Value]) -> BaseModel:
    """A part with the names in its texts replaced; SQL stays, its names are bound."""
    new: dict[Loc, str] = {
        loc: render(text, values) for loc, text, is_sql in texts(part) if not is_sql
    }
    raw = part.model_dump(mode="json", exclude_unset=True)
    for loc, text in new.items():
        _put(raw, loc, text)
    return type(part).model_validate(raw)


def _put(raw: Any, loc: Loc, text: str) -> None:
    """Set a text deep in plain values, if it was set there before."""
    for key in loc[:-1]:
        if isinstance(raw, dict) and key not in raw:
            return  # a default, which holds no names
        raw = raw[key]
    if not isinstance(raw, dict) or loc[-1] in raw:
        raw[loc[-1]] = text
