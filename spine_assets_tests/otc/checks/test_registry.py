"""A declared check has exactly one function, and no function is without a declaration."""

from __future__ import annotations

from spine_assets.otc.checks.registry import FUNCTIONS
from spine_assets.otc.tables.registry import TABLES


def test_declared_checks_and_functions_are_the_same() -> None:
    declared = [(table.name, check.name) for table in TABLES for check in table.checks]
    assert sorted(declared) == sorted(FUNCTIONS)


def test_a_check_that_compares_weeks_never_blocks() -> None:
    checks = [check for table in TABLES for check in table.checks]
    assert [check.name for check in checks if check.compares_weeks and check.blocking] == []
