"""What the YAML of a pipeline may say: its schema, as Pydantic models.

The parts of a step are typed by its engine, so that an editor and `dg check yaml` know them. Does
not belong here: what holds between the parts (`consistency`) and for one tenant (`pipeline`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, core_schema

from spine_assets.pipelines.steps.engine import Engine
from spine_assets.pipelines.steps.registry import engines
from spine_assets.pipelines.steps.workspace import TENANT_ID
from spine_assets.pipelines.yaml.templates import Value

DEFAULT_TIMEOUT_MINUTES = 30  # as in the older system
_LONGEST_MINUTES = 24 * 60  # a step of more than a day is a slip
_MOST_ATTEMPTS = 10
_FIRST_WAIT_SECONDS = 5.0  # a full disk or a busy server may be mended in moments

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
"""A name in YAML that also is one in Dagster, SQL and the lake."""

ErrorName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Partitions(StrEnum):
    """Whether a pipeline runs for a week."""

    WEEKLY = "weekly"
    NONE = "none"


class Trigger(StrEnum):
    """When a step runs, once the steps it depends on have ended."""

    ON_SUCCESS = "on_success"
    ON_FAILURE = "on_failure"
    ALWAYS = "always"


class Retry(_Model):
    """When a failed step is tried again."""

    max_attempts: int = Field(
        ge=2, le=_MOST_ATTEMPTS, description="How often the step runs at most, the first included."
    )
    retry_on: list[ErrorName] = Field(
        min_length=1,
        description="Names of errors after which it is tried again: TransientError (a server or "
        "disk fails now), TimeoutError (`timeout_minutes` are over), or a class that the engine "
        "or function raises. Others are final.",
    )
    backoff_multiplier: float = Field(
        default=2.0, ge=1, le=10, description="By how much each wait is longer than the last."
    )
    wait_seconds: float = Field(
        default=_FIRST_WAIT_SECONDS, ge=0, le=3600, description="The first wait."
    )


class Outcome(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"


class When(_Model):
    """A condition; where it does not hold, the step is skipped. Give `rows` or `check`."""

    step_id: Name | None = Field(
        default=None, description="An earlier step whose rows are counted; with `rows`."
    )
    rows: Annotated[str, StringConstraints(pattern=r"^(>|>=|<|<=|==|!=) ?[0-9]+$")] | None = Field(
        default=None, description="How many rows that step must have processed: `> 0`."
    )
    check: (
        Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")] | None
    ) = Field(
        default=None,
        description="A check as `table.check`, of a table of this pipeline or a shared one; "
        "its newest outcome for the run's week counts.",
    )
    outcome: Outcome = Field(
        default=Outcome.PASSED, description="How that check must have ended; with `check`."
    )


class Step(_Model):
    """One step; which `source`, `destination` and `config` it takes depends on its `ps_type`."""

    step_id: Name = Field(description="Its name within the pipeline, and in Dagster.")
    name: str = Field(default="", description="Its name for people. Default: `step_id`.")
    ps_type: str = Field(description="The engine that does the work.")
    source: Any = None
    destination: Any = None
    config: Any = None
    depends_on: list[Name] | None = Field(
        default=None,
        description="Steps that must have ended before. Default: the one before it, or all of "
        "the `parallel_group` before it; `[]` waits for none.",
    )
    parallel_group: Name | None = Field(
        default=None, description="Steps of one group run at the same time."
    )
    timeout_minutes: float = Field(
        default=DEFAULT_TIMEOUT_MINUTES,
        gt=0,
        le=_LONGEST_MINUTES,
        description="After this time its work is ended and the step fails with TimeoutError.",
    )
    retry: Retry | None = Field(default=None, description="Default: it is tried once.")
    trigger: Trigger = Field(
        default=Trigger.ON_SUCCESS,
        description="`on_success`: when all steps it depends on have succeeded. `on_failure`: "
        "when one of them, or one before these, has failed. `always`: either way.",
    )
    when: When | None = Field(default=None, description="A condition beside the trigger.")

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.name or self.step_id


def _typed(value: Any) -> Step:
    """A step, its parts as its engine types them; errors have the places of its keys."""
    if isinstance(value, Step):
        return value
    ps_type = value.get("ps_type") if isinstance(value, dict) else None
    step_model = _step_models().get(ps_type) if isinstance(ps_type, str) else None
    return (step_model or _unknown()).model_validate(value)


class _StepSchema:
    """Makes editors and `dg check yaml` see the parts of each engine."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(_typed)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        common = Step.model_json_schema(ref_template="#/$defs/{model}")
        whole: dict[str, Any] = handler.resolve_ref_schema(handler(Step.__pydantic_core_schema__))
        properties = {**whole["properties"], "ps_type": {**common["properties"]["ps_type"]}}
        properties["ps_type"]["enum"] = list(engines())
        for part in _PARTS:
            properties[part] = {}
        whole |= {"properties": properties, "allOf": [_then(item, handler) for item in engines()]}
        return whole


def _then(ps_type: str, handler: GetJsonSchemaHandler) -> dict[str, Any]:
    """If a step has this engine, then its parts are of this shape."""
    engine = engines()[ps_type]
    parts = {part: handler(getattr(engine, part).__pydantic_core_schema__) for part in _PARTS}
    needed = [part for part in _PARTS if _is_needed(getattr(engine, part))]
    return {
        "if": {"properties": {"ps_type": {"const": ps_type}}, "required": ["ps_type"]},
        "then": {"properties": parts, **({"required": needed} if needed else {})},
    }


_PARTS = ("source", "destination", "config")


def _step_models() -> dict[str, type[Step]]:
    """A model of a step an engine."""
    if not _MODELS:
        _MODELS.update({name: _model_of(engine) for name, engine in engines().items()})
    return _MODELS


_MODELS: dict[str, type[Step]] = {}


def _model_of(engine: Engine[Any, Any, Any]) -> type[Step]:
    from pydantic import create_model

    fields: dict[str, Any] = {}
    for part in _PARTS:
        shape = getattr(engine, part)
        default = ... if _is_needed(shape) else shape()
        fields[part] = (shape, Field(default=default, description=shape.__doc__ or ""))
    found: type[Step] = create_model(f"Step {engine.ps_type}", __base__=Step, **fields)
    return found


def _unknown() -> type[Step]:
    """Refuses the `ps_type` by naming those there are."""
    from typing import Literal

    from pydantic import create_model

    known: Any = Literal[tuple(engines())]
    found: type[Step] = create_model("Step", __base__=Step, ps_type=(known, ...))
    return found


def _is_needed(shape: type[BaseModel]) -> bool:
    """Whether a part has a field without a default."""
    return any(item.is_required() for item in shape.model_fields.values())


TenantId = Annotated[str, StringConstraints(pattern=f"^{TENANT_ID.pattern}$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


class Declaration(_Model):
    """A pipeline: steps that make tables, fetch, export and tell, for a week or at once."""

    pipeline_id: str = Field(
        min_length=1,
        max_length=100,
        description="Its name; with tenants it must hold `{tenant_id}`.",
    )
    description: str = Field(description="What it is for; may hold `{names}`.")
    partitions: Partitions = Field(
        default=Partitions.NONE,
        description="`weekly`: each run is about one week; `none`: about no week.",
    )
    tenants: dict[TenantId, dict[VariableName, Value] | None] | None = Field(
        default=None,
        description="For whom it is made: one pipeline, with tables of its own, a tenant. A "
        "tenant may set variables otherwise.",
        json_schema_extra={"propertyNames": {"pattern": f"^{TENANT_ID.pattern}$"}},
    )
    provider: str = Field(default="finra", description="Value of `{provider}`.")
    domain: str = Field(default="otc", description="Value of `{domain}`.")
    variables: dict[VariableName, Value] = Field(
        default_factory=dict,
        description="Names of your own for `{name}` in texts; a text may itself hold names.",
        json_schema_extra={"propertyNames": {"pattern": r"^[a-z][a-z0-9_]*$"}},
    )
    start_after: list[Name] = Field(
        default_factory=list,
        description="Tables; when a week of one of them got other rows, a sensor runs the "
        "pipeline for that week. Weekly pipelines only.",
    )
    steps: list[Annotated[Step, _StepSchema]] = Field(min_length=1, description="In order.")
