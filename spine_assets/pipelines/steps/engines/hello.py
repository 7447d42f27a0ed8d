"""`example.hello`: the smallest engine, to copy."""

from __future__ import annotations

from pydantic import Field

from spine_assets.pipelines import ActionEngine, Nothing, StepPart, StepResult, Work


class Greeting(StepPart):
    """Whom to greet."""

    name: str = Field(default="World", description="Whom to greet.")


class Hello(ActionEngine[Nothing, Nothing, Greeting]):
    """Says hello, to show that pipelines work.

    ```yaml
    step_id: greet
    ps_type: example.hello
    config:
      name: Ada
    ```
    """

    ps_type = "example.hello"
    config = Greeting

    def act(self, work: Work[Nothing, Nothing, Greeting]) -> StepResult:
        """Greet once."""
        greeting = f"Hello, {work.config.name}!"
        return StepResult(result={"greeting": greeting}, log_lines=(greeting,))


ENGINE = Hello()
