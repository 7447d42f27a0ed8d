"""Which weeks of an answer a line in a chart joins.

Belongs here: the rule, for all charts of answers. Does not belong here: drawing.
"""

from __future__ import annotations

import polars as pl


def line_number(series: str | None = None) -> pl.Expr:
    """The number of the line that each week of an answer with all weeks of a range is on.

    A line begins again where other tiers or classes are loaded than in the prior week, and where a
    week has no figure.

    Args:
        series: Column with a line of its own for each value, such as `symbol`.
    """
    number = (~pl.col("is_comparable").fill_null(False)).cum_sum()
    return number.over(series) if series else number
