"""How a step ended, as the steps after it receive it, and whether they run then.

Every step yields an outcome, also one that fails or is skipped, so that steps which run after a
failure know about it. Belongs here: triggers. Does not belong here: conditions (`when`) and work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from spine_assets.pipelines.yaml.model import Trigger
from spine_assets.pipelines.yaml.pipeline import Failure


class Status(StrEnum):
    """How a step ended."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True)
class StepOutcome:
    """How a step ended, with what came before it.

    Attributes:
        rows: Rows processed by it and by all steps before it, by step.
        failures: What went wrong in it and in all steps before it, by step.
        reason: Why it was skipped or failed.
    """

    step_id: str
    status: Status
    rows: Mapping[str, int | None] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    def as_plain(self) -> dict[str, Any]:
        """As Dagster passes it from step to step."""
        return asdict(self) | {"status": self.status.value}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> StepOutcome:
        """The outcome that `as_plain` wrote."""
        return cls(**{**plain, "status": Status(plain["status"])})


@dataclass(frozen=True)
class UpstreamOutcomes:
    """How the steps ended that a step waits for."""

    outcomes: Sequence[StepOutcome]

    @property
    def rows(self) -> dict[str, int | None]:
        """Rows of all steps before, by step."""
        return {name: rows for item in self.outcomes for name, rows in item.rows.items()}

    @property
    def failures(self) -> dict[str, str]:
        """What went wrong in all steps before, by step."""
        return {name: text for item in self.outcomes for name, text in item.failures.items()}

    @property
    def failure(self) -> Failure:
        """The same for templates."""
        summary = "; ".join(f"{name}: {text}" for name, text in self.failures.items())
        return Failure(summary, tuple(self.failures))

    def why_not(self, trigger: Trigger) -> str | None:
        """Why a step with this trigger does not run; None where it does."""
        if trigger is Trigger.ALWAYS:
            return None
        if trigger is Trigger.ON_FAILURE:
            return None if self.failures else "nothing before it has failed"
        unsuccessful = [item for item in self.outcomes if item.status is not Status.SUCCESS]
        return ", ".join(f"{item.step_id} {_VERBS[item.status]}" for item in unsuccessful) or None

    def then(self, step_id: str, status: Status, rows: int | None, reason: str = "") -> StepOutcome:
        """The outcome of the step itself."""
        failed = {step_id: reason} if status is Status.FAILED else {}
        known = {step_id: rows} if status is Status.SUCCESS else {}
        return StepOutcome(
            step_id, status, {**self.rows, **known}, {**self.failures, **failed}, reason
        )


_VERBS = {Status.FAILED: "failed", Status.SKIPPED: "was skipped"}
