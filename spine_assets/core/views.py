"""How a view upon the tables is declared, and the SQL statements that make it.

A view holds no rows: it is computed from the tables when it is queried. Belongs here: the shape of
a declaration and its DDL. The declarations and their SELECTs are in `otc/views/`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from spine_assets.core.tables import Column

# The macro looks back from the first one, which DuckDB's dates allow by some million years.
_EVER = "DATE '0001-01-01', DATE '9999-12-31'"


@dataclass(frozen=True)
class View:
    """One view over all weeks.

    Attributes:
        name: View name and asset key at once.
        grain: What one row is, in words.
        key: Columns that identify a row.
        deps: Names of the tables and views that its SELECT reads.
        formulas: For each computed column how it is computed, in words or signs.
        lineage: For columns that are easily traced, the upstream columns they come from.
        by_week: It has `is_complete` and is made as three: the macro `NAME_in(first_week,
            last_week)`, the view `NAME_all` of every week, and the view `NAME` of the complete
            ones. Else it is one view.
    """

    name: str
    description: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    deps: tuple[str, ...]
    formulas: dict[str, str] = field(default_factory=dict)
    lineage: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    by_week: bool = True

    @property
    def macro(self) -> str:
        """Name of the table macro of a range of weeks."""
        return f"{self.name}_in"

    @property
    def every_week(self) -> str:
        """Name of the view of all weeks, complete or not."""
        return f"{self.name}_all"


def statements(view: View, select: str) -> list[str]:
    """DDL of a view over its SELECT; what it reads must be there.

    DuckDB works out what a view reads when it is made, some milliseconds each. So the two views
    are made over a macro without rows, and the real one takes its place.
    """
    if not view.by_week:
        return [
            f"CREATE OR REPLACE VIEW {view.name} AS {select}",
            _comment("VIEW", view.name, view.grain),
        ]
    weeks = "all weeks; is_complete tells those with all three tiers"
    macro = f"CREATE OR REPLACE MACRO {view.macro}(first_week, last_week) AS TABLE"
    return [
        f"{macro} SELECT {without_rows(view.columns)}",
        f"CREATE OR REPLACE VIEW {view.every_week} AS FROM {view.macro}({_EVER})",
        f"CREATE OR REPLACE VIEW {view.name} AS FROM {view.every_week} WHERE is_complete",
        f"{macro} {select}",
        _comment("MACRO TABLE", view.macro, f"{view.grain}; Fridays, both included; {weeks}"),
        _comment("VIEW", view.every_week, f"{view.grain}; {weeks}"),
        _comment(
            "VIEW",
            view.name,
            f"{view.grain}; only complete weeks (all three tiers loaded), "
            f"{view.every_week} has the others too",
        ),
    ]


def without_rows(columns: tuple[Column, ...]) -> str:
    """What follows SELECT to have these columns and no row."""
    nulls = ", ".join(f'NULL::{column.type.value} AS "{column.name}"' for column in columns)
    return f"{nulls} WHERE false"


def _comment(kind: str, name: str, text: str) -> str:
    quoted = text.replace("'", "''")
    return f"COMMENT ON {kind} {name} IS '{quoted}'"
