"""An engine of tests: it acts as its step says, and notes when and in which process.

Offered by an entry point, as a package of someone else would offer it.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Literal

from pydantic import Field

from spine_assets.pipelines import (
    ActionEngine,
    EngineExecutionError,
    Nothing,
    StepPart,
    StepResult,
    TransientError,
    Work,
)


class Busy(Exception):
    """An error that only this engine knows."""


class Acting(StepPart):
    """What it does."""

    diary: str = Field(description="File to which it writes a line when it begins and ends.")
    says: str = Field(default="", description="A text with names.")
    records: str = Field(default="", description="Code of an anomaly that it records.")
    rows: int | None = None
    seconds: float = 0
    fails: Literal["", "engine", "transient", "busy", "killed"] = ""
    times: int = Field(default=99, description="How many tries fail.")
    healed: str = Field(default="", description="A file; where it is, nothing fails.")


class Acts(ActionEngine[Nothing, Nothing, Acting]):
    """Acts as told."""

    ps_type = "test.act"
    config = Acting

    def act(self, work: Work[Nothing, Nothing, Acting]) -> StepResult:
        """Begin, wait, fail or end."""
        config, context = work.config, work.context
        told = {"says": config.says, "status": context.pipeline_status, "attempt": context.attempt}
        note(config.diary, begun=time.time(), step=context.step_id, pid=os.getpid(), **told)
        time.sleep(config.seconds)
        if config.records:
            context.anomalies.record(config.records, f"recorded by {context.step_id}", "INFO")
        is_healed = bool(config.healed) and Path(config.healed).exists()
        if config.fails and context.attempt <= config.times and not is_healed:
            if config.fails == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            errors = {"engine": EngineExecutionError, "transient": TransientError, "busy": Busy}
            raise errors[config.fails](f"{context.step_id} cannot")
        note(config.diary, ended=time.time(), step=context.step_id)
        return StepResult(config.rows, {"says": config.says}, log_lines=(f"said {config.says}",))


def note(diary: str, **line: object) -> None:
    """Add a line to the diary, in one write, as others write to it too."""
    with Path(diary).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def notes(diary: Path) -> list[dict[str, object]]:
    """The lines of a diary."""
    return [json.loads(line) for line in diary.read_text().splitlines()] if diary.exists() else []


ENGINE = Acts()
