"""The reference page of YAML pipelines, written from the schema and the engines."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from spine_assets.pipelines.steps.engine import PARTS, Engine
from spine_assets.pipelines.steps.registry import GROUP, engines
from spine_assets.pipelines.yaml.model import Declaration, Retry, Step, When
from spine_assets.pipelines.yaml.table_model import CheckPart, ColumnPart, TableDestination
from spine_assets.pipelines.yaml.validation import AFTER_FAILURE, ALWAYS_KNOWN

_HEAD = """# Reference of YAML pipelines

Written from the schema by `python -m spine_assets.dev.docs_pages`; do not edit. How to write, run
and watch a pipeline is in [pipelines](pipelines.md). `spine pipelines schema` prints the
schema as JSON.

A `defs.yaml` has `type: spine_assets.orchestration.components.DeclarativePipeline`, and below
`attributes` the keys of this page. Unknown keys are refused."""
_KEYS = "| key | type, default | meaning |\n|---|---|---|"
_SCHEMA_CHECK = (
    "Each table also has the check `schema`: exact columns and types, ranges, no empty values "
    "unless nullable, unique key."
)
_ENGINES = (
    "Found in `spine_assets/pipelines/steps/engines/`, and where a package offers one by an entry "
    f"point of the group `{GROUP}`."
)
_ORIGINS = {
    "pipeline_id": "this pipeline's name, with the names in it replaced",
    "provider": "`provider`",
    "domain": "`domain`",
    "date": "the day the run is about: `-p date=`, or the day it was started (UTC)",
    "run_id": "Dagster's id of the run",
    "tenant_id": "the tenant; only where `tenants` names some",
    "week_ending": "the run's week; only where `partitions` is `weekly`",
    "error": "what went wrong before; only in steps whose trigger is `on_failure` or `always`",
    "failed_steps": "the steps that failed before; in the same steps",
}


def text() -> str:
    """The page in Markdown."""
    found = [_HEAD, "## A pipeline", _fields(Declaration), "## Names in texts", *_names()]
    found += ["## A step", _fields(Step, leave_out=PARTS)]
    found += ["`source`, `destination` and `config` are those of its engine."]
    found += ["### `retry`", _fields(Retry), "### `when`", _fields(When)]
    found += ["## A table", inspect.getdoc(TableDestination) or "", _fields(TableDestination)]
    found += ["### A column", _fields(ColumnPart), "### A check", _fields(CheckPart), _SCHEMA_CHECK]
    found += ["## Engines", _ENGINES]
    shown: dict[tuple[str, str], str] = {}
    for ps_type, engine in engines().items():
        if type(engine).__module__.startswith("spine_assets."):
            found += [f"### `{ps_type}`", *_engine(engine, shown)]
    return "\n\n".join(found)


def example_of(engine: Engine[Any, Any, Any]) -> str | None:
    """The step in YAML that an engine's docstring shows."""
    doc = inspect.getdoc(engine) or ""
    begin, end = doc.find("```yaml\n"), doc.rfind("```")
    return doc[begin + len("```yaml\n") : end] if 0 <= begin < end else None


def _names() -> Iterator[str]:
    names = (*ALWAYS_KNOWN, "tenant_id", "week_ending", *AFTER_FAILURE)
    rows = [f"| `{{{name}}}` | {_ORIGINS[name]} |" for name in names]
    head = ("| name | value |", "|---|---|")
    yield "\n".join([*head, *rows, "| `{name}` | a name of `variables`, as the tenant sets it |"])
    yield (
        "Days are written YYYY-MM-DD, lists with commas between. `{{` and `}}` are braces. In SQL "
        "a name is bound as a parameter with its type: write it without quotes."
    )


def _engine(engine: Engine[Any, Any, Any], shown: dict[tuple[str, str], str]) -> Iterator[str]:
    """An engine's section; `shown` has the keys of engines before, which it names and no more."""
    yield (inspect.getdoc(engine) or "").split("```yaml", maxsplit=1)[0].strip()
    for part in PARTS:
        shape = getattr(engine, part)
        if shape is TableDestination:
            yield f"`{part}`: [a table](#a-table)."
            continue
        rows = {(part, row): name for name, row in _rows(shape).items()}
        for other in dict.fromkeys(shown[row] for row in rows if row in shown):
            names = ", ".join(f"`{rows[row]}`" for row in rows if shown.get(row) == other)
            yield f"`{part}`: {names} as of [`{other}`](#{other.replace('.', '')})."
        if own := [row for row in rows if row not in shown]:
            yield from (f"`{part}`:", "\n".join([_KEYS, *(row for _, row in own)]))
        shown.update(dict.fromkeys(own, engine.ps_type))
    if example := example_of(engine):
        yield f"```yaml\n{example.rstrip()}\n```"


def _fields(model: type[BaseModel], leave_out: tuple[str, ...] = ()) -> str:
    """The table of a model's keys."""
    rows = (row for name, row in _rows(model).items() if name not in leave_out)
    return "\n".join([_KEYS, *rows])


def _rows(model: type[BaseModel]) -> dict[str, str]:
    """The line of each key."""
    schema = model.model_json_schema()
    rows = {}
    for name, info in model.model_fields.items():
        default = "**required**" if info.is_required() else _plain(info.get_default(
            call_default_factory=True, validated_data={}))  # fmt: skip
        meaning = " ".join((info.description or "").split()).replace("|", "\\|")
        kind = _type(schema["properties"][name], schema.get("$defs", {}))
        rows[name] = f"| `{name}` | {kind}{default and f'; {default}'} | {meaning} |"
    return rows


def _plain(value: Any) -> str:
    if value is None or value in ("", [], {}, ()):
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value)
    return f"`{getattr(value, 'value', value)}`"


def _type(schema: dict[str, Any], defs: dict[str, Any]) -> str:
    """A readable type, from its JSON schema."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    options = schema.get("enum") or defs.get(name, {}).get("enum")
    if options:
        return ", ".join(f"`{item}`" for item in options)
    if name:
        return _NAMED.get(name, name.lower())
    if "anyOf" in schema:
        kinds = [_type(item, defs) for item in schema["anyOf"] if item.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}), defs)}"
    return _KINDS.get(str(schema.get("type")), "any")


_KINDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "mapping",
}
_NAMED = {
    "Retry": "[retry](#retry)",
    "When": "[when](#when)",
    "Step": "[step](#a-step)",
    "ColumnPart": "[column](#a-column)",
    "CheckPart": "[check](#a-check)",
}
