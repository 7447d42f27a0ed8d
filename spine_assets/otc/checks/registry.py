"""Which function runs a declared check.

A table declares its checks as data; the functions need captures and frames, which need the tables.
So the two meet here. Belongs here: the mapping, and running one check. Does not belong here: what a
check is about (the table's declaration) and how it is judged (the modules of checks).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from spine_assets.core.tables import Check
from spine_assets.otc.checks import context as checking
from spine_assets.otc.checks import control, delivery
from spine_assets.otc.checks import derived_tables as table_checks
from spine_assets.otc.checks import raw as raw_checks
from spine_assets.otc.checks import restatements as restatement_checks
from spine_assets.otc.checks.context import CheckContext
from spine_assets.otc.state.results import CheckResult
from spine_assets.otc.tables import raw, restatements, symbol_summary, venue_share, venue_volume
from spine_assets.otc.tables.registry import TABLES

FUNCTIONS: dict[tuple[str, str], Callable[[CheckContext], CheckResult]] = {
    **{
        (table.name, check.name): checking.schema
        for table in TABLES
        for check in table.checks
        if check.name == "schema"
    },
    (raw.TABLE.name, "conservation"): raw_checks.conservation,
    (raw.TABLE.name, "schema"): raw_checks.schema,
    (raw.TABLE.name, "not_mixed"): raw_checks.not_mixed,
    (raw.TABLE.name, "delivery"): delivery.delivery,
    (raw.TABLE.name, "rejects"): raw_checks.rejects,
    (raw.TABLE.name, "notes"): raw_checks.notes,
    (venue_volume.TABLE.name, "reconciles"): table_checks.venue_volume_reconciles,
    (venue_volume.TABLE.name, "volumes"): table_checks.volumes,
    (venue_volume.TABLE.name, "issues"): table_checks.issues,
    (venue_volume.TABLE.name, "continuity"): table_checks.continuity,
    (symbol_summary.TABLE.name, "reconciles"): table_checks.symbol_summary_reconciles,
    (symbol_summary.TABLE.name, "control"): control.by_symbol,
    (venue_share.TABLE.name, "reconciles"): table_checks.venue_share_reconciles,
    (venue_share.TABLE.name, "share_shift"): table_checks.share_shift,
    (venue_share.TABLE.name, "control"): control.by_venue,
    (restatements.TABLE.name, "reconciles"): restatement_checks.reconciles,
    (restatements.TABLE.name, "size"): restatement_checks.size,
}
"""By table and check; `schema` has one function for all tables but `otc_raw`. A test holds it equal
to the declarations."""


def run(check: Check, context: CheckContext) -> CheckResult:
    """Run a declared check of the context's table.

    Raises:
        KeyError: the check is declared and has no function.
        ReachesOtherWeeks: it looks at other weeks and is not declared to.
    """
    result = FUNCTIONS[context.table.name, check.name](replace(context, check=check))
    return replace(result, blocking=check.blocking)
