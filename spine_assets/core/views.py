"""How a view on the tables is declared.

A view holds no rows: it is computed from the tables when it is queried. Belongs here: the shape of
a declaration. The declarations and their SELECTs are in `otc/views/`; `warehouse.views` makes the
DDL.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from spine_assets.core.tables import Column


@dataclass(frozen=True)
class View:
    """One view over all weeks.

    Attributes:
        name: View name and asset key at once.
        grain: What one row is, in words.
        key: Columns that identify a row.
        deps: Names of the tables and views that its SELECT reads.
        formulas: How each computed column is computed, in words or symbols.
        lineage: For columns that are easily traced, their upstream columns.
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
