"""Checks that several tables declare: what holds, and what to do when it fails.

A check of a single table is in the declaration of that table.
"""

from __future__ import annotations

from spine_assets.core.tables import Check

SCHEMA = "Pandera: exact columns and types, ranges, no nulls where none belong, unique key."


def schema_check(also: str = "") -> Check:
    """`schema`: the frame is as declared, and what else the rules of its table state."""
    return Check(
        "schema",
        f"{SCHEMA} {also}".rstrip(),
        remedy="The code or its declaration is wrong, not the delivered data: delivering it again "
        "does not help. `spine anomalies --week WEEK` shows the columns and values that break the "
        "rules; report them. What was published before stays.",
        blocking=True,
    )


CONTROL_REMEDY = (
    "`spine anomalies --week WEEK` shows both figures of what differs. One of the two is cut, or "
    "older than the other: fetch both again with `spine fetch --week WEEK`, or drop a new download "
    "of both into the landing folder. A difference of exactly the shares of rejected lines does "
    "not fail the check."
)


def reconciles_check(holds: str) -> Check:
    """`reconciles`: totals equal those of what the table is made from."""
    return Check(
        "reconciles",
        f"{holds}, counted by DuckDB on the files to be published.",
        remedy="What was published before stays. Run `spine doctor`, which finds damaged files, "
        "then `spine backfill WEEK --force`; if it fails again, report it with the sample that "
        "`spine anomalies --week WEEK` shows.",
        blocking=True,
    )
