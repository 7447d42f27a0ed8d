"""What several declared checks have in common in words: what holds, and what to do when it fails.

Belongs here: texts that more than one table declares. The text of a single check stands in its
declaration.
"""

SCHEMA = "Pandera: exact columns and types, ranges, no nulls where none belong, unique key."
SCHEMA_REMEDY = (
    "The code or its declaration is wrong, not the delivered data: nothing can be mended by "
    "delivering again. `spine anomalies --week WEEK` shows columns and values at fault; report it "
    "with them. What was published before stays."
)
RECONCILES_REMEDY = (
    "What was published before stays. Run `spine doctor`, which finds damaged files, then "
    "`spine backfill WEEK --force`; if it fails again, report it with the sample that "
    "`spine anomalies --week WEEK` shows."
)
