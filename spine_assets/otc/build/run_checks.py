"""Runs the checks of one table's week, now or after the build.

Does not belong here: what a check looks at and how it judges (`otc.checks`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from spine_assets.core.tables import Check
from spine_assets.lake.base import LakeError
from spine_assets.otc.checks import registry
from spine_assets.otc.checks.context import CheckContext
from spine_assets.otc.state.results import BuildFailed, CheckResult, TableResult
from spine_assets.otc.tables import raw


def run_checks(
    checks: Sequence[Check], context: CheckContext, *, build: bool = True
) -> TableResult:
    """Run checks of the context's table; an error of the lake ends them early.

    Args:
        checks: The declared checks.
        context: What they look at.
        build: In a build, a blocking check that fails is an error, and checks that compare weeks
            wait for its end. Else neither.
    """
    results: list[CheckResult] = []
    later: list[Callable[[], CheckResult]] = []
    error: BuildFailed | LakeError | None = None
    try:
        for check in checks:
            if build and check.compares_weeks:
                later.append(partial(registry.run, check, _after_the_build(context)))
            else:
                results.append(registry.run(check, context))
    except LakeError as raised:
        error = raised
    failed = [item for item in results if item.is_blocking_failure]
    if build and failed and error is None:
        problems = "; ".join(f"{item.check}: {item.summary}" for item in failed)
        is_stored = context.staged is None and context.table.name != raw.TABLE.name
        deed = "as stored does not pass its checks" if is_stored else "was not published"
        error = BuildFailed(f"{context.week}: {context.table.name} {deed}: {problems}")
    return TableResult(tuple(results), tuple(later), error)


def _after_the_build(context: CheckContext) -> CheckContext:
    """The context without rows, which would stay in memory until the weeks before are built."""
    has_totals = context.table.name != raw.TABLE.name  # its week is not built yet
    return replace(context, inputs=context.inputs.without_rows(totals_too=has_totals))
