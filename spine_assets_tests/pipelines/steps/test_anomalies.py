"""Recording anomalies: counted, bounded, and one result per table."""

from __future__ import annotations

import json
import pickle
from datetime import date
from decimal import Decimal

import pytest

from spine_assets.otc.state.results import Severity
from spine_assets.pipelines.steps.anomalies import Anomalies, AnomalySeverity


def recorded(*severities: str) -> Anomalies:
    found = Anomalies()
    for number, severity in enumerate(severities, start=1):
        found.record(f"CODE_{severity.upper()}", f"message {number}", severity)
    return found


@pytest.mark.parametrize(
    ("severities", "passed", "severity", "summary"),
    [
        ((), True, Severity.WARN, "no anomaly recorded"),
        (("info",), True, Severity.WARN, "1 info; CODE_INFO: message 1"),
        (
            ("INFO", "Warning", "warning"),
            False,
            Severity.WARN,
            "2 warnings, 1 info; CODE_WARNING: message 2",
        ),
        (
            ("WARNING", "ERROR", "INFO"),
            False,
            Severity.ERROR,
            "1 error, 1 warning, 1 info; CODE_ERROR: message 2",
        ),
    ],
)
def test_the_worst_severity_decides_and_nothing_blocks(
    severities: tuple[str, ...], passed: bool, severity: Severity, summary: str
) -> None:
    result = recorded(*severities).result("volumes")
    assert (result.table, result.check) == ("volumes", "anomalies")
    assert (result.passed, result.severity, result.summary) == (passed, severity, summary)
    assert not result.is_blocking_failure
    assert result.facts["recorded"] == len(severities)


def test_an_anomaly_is_a_sample_row_with_its_context_as_json() -> None:
    found = Anomalies()
    found.record(
        "STALE", "an old\nprice", context={"day": date(2025, 11, 21), "price": Decimal("1.50")}
    )
    (row,) = found.result("volumes").samples
    assert {name: row[name] for name in ("code", "severity", "message")} == {
        "code": "STALE",
        "severity": "WARNING",
        "message": "an old price",
    }
    assert json.loads(row["context"]) == {"day": "2025-11-21", "price": "1.50"}


def test_many_are_counted_and_the_worst_are_listed_first() -> None:
    found = Anomalies()
    for number in range(1_000):
        found.record("MANY", f"warning {number}")
    found.record("FEW", "an error", AnomalySeverity.ERROR)
    result = pickle.loads(pickle.dumps(found)).result("volumes")  # as a worker's process gets it
    assert result.facts == {"recorded": 1_001, "codes": {"MANY": 1_000, "FEW": 1}}
    assert [row["message"] for row in result.samples] == [
        "an error",
        *(f"warning {number}" for number in range(19)),
    ]


def test_long_texts_are_cut_and_a_large_context_stays_json() -> None:
    found = Anomalies()
    found.record("LONG", "x" * 10_000, context={"rows": ["y" * 10_000]})
    (row,) = found.result("volumes").samples
    assert len(row["message"]) < 600
    assert list(json.loads(row["context"])) == ["cut"]
    assert len(row["context"]) < 2_500


@pytest.mark.parametrize(
    ("code", "severity", "said"),
    [(" ", "INFO", "needs a code"), ("X", "fatal", "'fatal' of X is none of INFO, WARNING, ERROR")],
)
def test_a_blank_code_and_an_unknown_severity_are_refused(
    code: str, severity: str, said: str
) -> None:
    found = Anomalies()
    with pytest.raises(ValueError, match=said):
        found.record(code, "a message", severity)
    assert len(found) == 0
