"""A job that greets: what a run, its parameters, log lines and metrics look like."""

import dagster as dg

from spine_assets.orchestration.run_config import LOGGED


class Greeting(dg.Config):
    """Whom to greet."""

    name: str = "World"


@dg.op
def example_greet(context: dg.OpExecutionContext, config: Greeting) -> str:
    """Say hello; the greeting is the run's one metric."""
    said = f"Hello, {config.name}!"
    context.log.info(said)
    context.add_output_metadata({"greeting": said})
    return said


@dg.job(
    name="example_hello",
    config=LOGGED,
    description="Says hello, to show that everything is in its place.",
)
def example_hello() -> None:
    """Greet once."""
    example_greet()
