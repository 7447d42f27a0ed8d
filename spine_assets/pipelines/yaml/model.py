"""The schema of a pipeline in YAML, as Pydantic models.

The engine of a step types its parts, so that an editor and `dg check yaml` know them. Rules between
the parts belong to `validation`, what a declaration means for one tenant to `pipeline`.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    create_model,
)
from pydantic_core import CoreSchema, core_schema

from spine_assets.pipelines.steps.engine import PARTS, Engine, TableEngine
from spine_assets.pipelines.steps.registry import engines
from spine_assets.pipelines.steps.workspace import TENANT_ID
from spine_assets.pipelines.yaml.templates import Value

DEFAULT_TIMEOUT_MINUTES = 30  # as in Market Spine
_MOST_MINUTES = 24 * 60  # a step of more than a day is a mistake
_MOST_ATTEMPTS = 10
_FIRST_WAIT_SECONDS = 5.0  # a busy server may recover within seconds

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
"""A name in YAML that is also valid in Dagster, SQL and the lake."""

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
    """When a failed step is retried."""

    max_attempts: int = Field(
        ge=2,
        le=_MOST_ATTEMPTS,
        description="How often the step runs at most, with the first run.",
    )
    retry_on: list[ErrorName] = Field(
        min_length=1,
        description="Names of errors after which it is retried: TransientError (a server or disk "
        "fails now), TimeoutError (`timeout_minutes` are over), or a class that the engine or "
        "function raises. Other errors are final.",
    )
    backoff_multiplier: float = Field(
        default=2.0,
        ge=1,
        le=10,
        description="How many times longer each wait is.",
    )
    wait_seconds: float = Field(
        default=_FIRST_WAIT_SECONDS, ge=0, le=3600, description="The first wait, seconds."
    )


class CheckOutcome(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"


class When(_Model):
    """A condition; if it is false, the step is skipped. Give `rows` or `check`."""

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
        "its latest outcome for the run's week counts.",
    )
    outcome: CheckOutcome = Field(
        default=CheckOutcome.PASSED, description="How that check must have ended; with `check`."
    )


class Step(_Model):
    """One step; its `ps_type` determines the schema of `source`, `destination` and `config`."""

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
        le=_MOST_MINUTES,
        description="After this time its work is ended and the step fails with TimeoutError.",
    )
    retry: Retry | None = Field(default=None, description="Default: it is not retried.")
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

    @property
    def makes_table(self) -> bool:
        """Whether its engine makes the rows of a table."""
        return isinstance(engines()[self.ps_type], TableEngine)


def _typed(value: Any) -> Step:
    """A step with its parts as its engine types them; errors have the paths of its keys."""
    if isinstance(value, Step):
        return value
    ps_type = value.get("ps_type") if isinstance(value, dict) else None
    model = _step_models().get(ps_type) if isinstance(ps_type, str) else None
    if model is None:  # a model whose error about the `ps_type` lists the known ones
        known: Any = Literal[tuple(engines())]
        model = create_model("Step", __base__=Step, ps_type=(known, ...))
    return model.model_validate(value)


class _StepSchema:
    """Shows the parts of each engine to editors and `dg check yaml`."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(_typed)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        common = Step.model_json_schema(ref_template="#/$defs/{model}")
        schema: dict[str, Any] = handler.resolve_ref_schema(handler(Step.__pydantic_core_schema__))
        properties = {**schema["properties"], "ps_type": {**common["properties"]["ps_type"]}}
        properties["ps_type"]["enum"] = list(engines())
        for part in PARTS:
            properties[part] = {}
        schema |= {"properties": properties, "allOf": [_then(item, handler) for item in engines()]}
        return schema


def _then(ps_type: str, handler: GetJsonSchemaHandler) -> dict[str, Any]:
    """The condition that a step of this engine has the parts of its schema."""
    engine = engines()[ps_type]
    parts = {part: handler(getattr(engine, part).__pydantic_core_schema__) for part in PARTS}
    needed = [part for part in PARTS if _is_needed(getattr(engine, part))]
    return {
        "if": {"properties": {"ps_type": {"const": ps_type}}, "required": ["ps_type"]},
        "then": {"properties": parts, **({"required": needed} if needed else {})},
    }


@cache
def _step_models() -> dict[str, type[Step]]:
    """One model of a step per engine."""
    return {name: _model_of(engine) for name, engine in engines().items()}


def _model_of(engine: Engine[Any, Any, Any]) -> type[Step]:
    fields: dict[str, Any] = {}
    for part in PARTS:
        shape = getattr(engine, part)
        default = ... if _is_needed(shape) else shape()
        fields[part] = (shape, Field(default=default, description=shape.__doc__ or ""))
    found: type[Step] = create_model(f"Step {engine.ps_type}", __base__=Step, **fields)
    return found


def _is_needed(shape: type[BaseModel]) -> bool:
    """Whether a part has a field without a default."""
    return any(item.is_required() for item in shape.model_fields.values())


TenantId = Annotated[str, StringConstraints(pattern=f"^{TENANT_ID.pattern}$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


class Declaration(_Model):
    """A pipeline: steps that make tables, fetch, export and notify, per week or without weeks."""

    pipeline_id: str = Field(
        min_length=1,
        max_length=100,
        description="Its name; with tenants it must contain `{tenant_id}`.",
    )
    description: str = Field(description="What it is for; may contain `{names}`.")
    partitions: Partitions = Field(
        default=Partitions.NONE,
        description="`weekly`: each run is for one week; `none`: for no week.",
    )
    tenants: dict[TenantId, dict[VariableName, Value] | None] | None = Field(
        default=None,
        description="One pipeline, with tables of its own, per tenant. A tenant may override "
        "variables.",
        json_schema_extra={"propertyNames": {"pattern": f"^{TENANT_ID.pattern}$"}},
    )
    provider: str = Field(default="finra", description="Value of `{provider}`.")
    domain: str = Field(default="otc", description="Value of `{domain}`.")
    variables: dict[VariableName, Value] = Field(
        default_factory=dict,
        description="Names of your own for `{name}` in texts; a text may itself contain names.",
        json_schema_extra={"propertyNames": {"pattern": r"^[a-z][a-z0-9_]*$"}},
    )
    start_after: list[Name] = Field(
        default_factory=list,
        description="Tables; when the rows of one of them change for a week, a sensor runs the "
        "pipeline for that week. Weekly pipelines only.",
    )
    steps: list[Annotated[Step, _StepSchema]] = Field(min_length=1, description="In order.")
