"""Anomalies that a step's own code records: something odd in its data, which does not fail it.

`StepContext.anomalies` collects them in the process that does the work. They become one result per
table and week, that of the check `anomalies`, and are stored where results of checks are. Belongs
here: recording, and that result. Does not belong here: checks that YAML declares (`table_build`).
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from spine_assets.core.text import Shown, counted, cut, one_line
from spine_assets.otc.state.results import CheckResult, Severity

ANOMALIES = "anomalies"
"""Name of the check."""

_LISTED = 20  # as many sample rows as other checks have; the rest is counted
_TEXT_CHARS, _CONTEXT_CHARS = 500, 2_000  # each evaluation is stored, and shown in a table
_LOG = logging.getLogger(__name__)


class AnomalySeverity(StrEnum):
    """How bad it is; the check warns from `WARNING` on, and fails with an `ERROR`."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


_WORST_FIRST = (AnomalySeverity.ERROR, AnomalySeverity.WARNING, AnomalySeverity.INFO)


@dataclass(frozen=True)
class Anomaly:
    """One anomaly; `context` is a JSON object as text."""

    code: str
    severity: AnomalySeverity
    message: str
    context: str | None

    def as_row(self) -> dict[str, Any]:
        """As a sample row of the check."""
        return {**vars(self), "severity": self.severity.value}


@dataclass
class Anomalies:
    """What one attempt of a step records; it can be pickled."""

    _counts: Counter[tuple[AnomalySeverity, str]] = field(default_factory=Counter)
    _first: dict[AnomalySeverity, list[Anomaly]] = field(default_factory=dict)

    def record(
        self,
        code: str,
        message: str,
        severity: str = AnomalySeverity.WARNING,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        """Record an anomaly; the step goes on.

        Args:
            code: Names its kind, such as `NULL_VOLUME`; it is the same each time.
            message: One sentence.
            severity: INFO, WARNING or ERROR, in any case.
            context: A small JSON object, such as the symbol; other values become text.

        Raises:
            ValueError: The code is blank, or the severity is none of the three.
        """
        if not code.strip():
            raise ValueError("an anomaly needs a code, such as NULL_VOLUME")
        try:
            how_bad = AnomalySeverity(severity.upper())
        except ValueError:
            known = ", ".join(AnomalySeverity)
            raise ValueError(f"severity {severity!r} of {code} is none of {known}") from None
        code = cut(one_line(code), _TEXT_CHARS)
        self._counts[how_bad, code] += 1
        listed = self._first.setdefault(how_bad, [])
        if len(listed) < _LISTED:
            text = cut(one_line(message), _TEXT_CHARS)
            listed.append(Anomaly(code, how_bad, text, _json(context) if context else None))
            _LOG.info("anomaly %s %s: %s", how_bad, code, text)

    def __len__(self) -> int:
        """How many were recorded."""
        return self._counts.total()

    def listed(self) -> list[Anomaly]:
        """The first of them, the worst before the others."""
        return [item for each in _WORST_FIRST for item in self._first.get(each, ())][:_LISTED]

    def result(self, table: str) -> CheckResult:
        """The result of the check of a table; it never keeps rows from being published."""
        counts = {each: self._of(each) for each in _WORST_FIRST}
        listed = self.listed()
        summary = "no anomaly recorded"
        if listed:
            numbers = ", ".join(counted(n, each.lower()) for each, n in counts.items() if n)
            summary = f"{numbers}; {listed[0].code}: {listed[0].message}"
        is_error = counts[AnomalySeverity.ERROR] > 0
        return CheckResult(
            table,
            ANOMALIES,
            passed=not is_error and not counts[AnomalySeverity.WARNING],
            summary=summary,
            severity=Severity.ERROR if is_error else Severity.WARN,
            facts={"recorded": len(self), **self._codes()},
            samples=[item.as_row() for item in listed],
        )

    def _of(self, severity: AnomalySeverity) -> int:
        return sum(number for (each, _), number in self._counts.items() if each is severity)

    def _codes(self) -> dict[str, Any]:
        """How often the most frequent codes were recorded."""
        codes: Counter[str] = Counter()
        for (_, code), number in self._counts.items():
            codes[code] += number
        return {"codes": dict(codes.most_common(_LISTED))} if codes else {}


def _json(context: Mapping[str, Any]) -> Shown:
    """The object as printable text, complete: what shows it cuts nothing off."""
    text = json.dumps({str(name): value for name, value in context.items()}, default=str)
    if len(text) > _CONTEXT_CHARS:
        text = json.dumps({"cut": text[:_CONTEXT_CHARS]})
    return Shown.as_written(text, len(text))
