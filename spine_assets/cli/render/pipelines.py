"""How pipelines, their parameters and their plans are printed."""

from __future__ import annotations

from typing import Any

from spine_assets.cli.render.console import CONSOLE, grid, safe
from spine_assets.pipelines.catalog import Parameter, Pipeline, PipelinePlan


def pipelines(found: list[Pipeline]) -> None:
    """All pipelines as a table."""
    table = grid("pipeline", "parameters", "what it does")
    for item in found:
        names = ", ".join(_short(parameter) for parameter in item.parameters)
        table.add_row(item.name, names, safe(item.description))
    CONSOLE.print(table)
    CONSOLE.print("* required; spine run PIPELINE --help-params explains them.")


def _short(parameter: Parameter) -> str:
    return f"{parameter.name}*" if parameter.required else parameter.name


def parameters(pipeline: Pipeline) -> None:
    """The parameters of one pipeline."""
    CONSOLE.print(f"[bold]{pipeline.name}[/bold]: {safe(pipeline.description)}")
    if not pipeline.parameters:
        CONSOLE.print("It takes no parameters.")
        return
    table = grid("parameter", "is a", "required", "default", "meaning")
    for item in pipeline.parameters:
        default = "" if item.default is None else str(item.default)
        table.add_row(
            item.name,
            item.kind.value,
            "yes" if item.required else "",
            safe(default),
            safe(item.description),
        )
    CONSOLE.print(table)


def pipeline_json(pipeline: Pipeline) -> dict[str, Any]:
    """A pipeline for programs."""
    return {
        "pipeline": pipeline.name,
        "description": pipeline.description,
        "job": pipeline.job,
        "lane": pipeline.lane.value,
        "parameters": [vars(item) | {"kind": item.kind.value} for item in pipeline.parameters],
    }


def plan(pipeline: Pipeline, found: PipelinePlan) -> None:
    """The runs that would be started."""
    for one in found.runs:
        CONSOLE.print(f"would run {pipeline.name} (job {pipeline.job}): {safe(one.weeks)}")


def plan_json(pipeline: Pipeline, found: PipelinePlan) -> dict[str, Any]:
    """The plan for programs."""
    return {
        "pipeline": pipeline.name,
        "job": pipeline.job,
        "notes": found.notes,
        "runs": [
            {
                "first_week": str(one.first) if one.first else None,
                "last_week": str(one.last) if one.last else None,
                "run_config": dict(one.run_config),
            }
            for one in found.runs
        ],
    }
