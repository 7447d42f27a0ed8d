"""The two weeks of a comparison, and the tiers and classes that both have.

Figures of a week with three tiers and of a week with one tier are not comparable. So the shares of
both weeks are taken over the tiers and classes that both have ("like for like").
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import polars as pl

from spine_assets.core.weeks import Tier

LOOK_BACK_WEEKS = 4
"""Further back, venues and symbols differ for good reasons; the checks use the same limit."""

_GROUP = ["tier", "venue_class"]
Group = tuple[str, str]


@dataclass(frozen=True)
class Totals:
    """Shares of a week by tier, venue_class and mpid (`otc.venue_totals`)."""

    week: date
    frame: pl.DataFrame

    @cached_property
    def groups(self) -> set[Group]:
        """Tiers and classes that are loaded."""
        return {(tier, cls) for tier, cls in self.frame.select(_GROUP).unique().iter_rows()}

    @property
    def missing(self) -> list[str]:
        """Tiers that are not loaded, and tiers that lack a class which others have, in words."""
        classes = {cls for _, cls in self.groups}
        found = []
        for tier in (item.value for item in Tier):
            lacking = {cls for cls in classes if (tier, cls) not in self.groups}
            found += [tier] if lacking == classes else [f"{tier} {cls}" for cls in sorted(lacking)]
        return found


@dataclass(frozen=True)
class Pair:
    """A week and the nearest earlier week that can be compared with it.

    Attributes:
        now: The week.
        before: The earlier week; None if none of four has a tier and class in common.
    """

    now: Totals
    before: Totals | None

    @cached_property
    def like(self) -> set[Group]:
        """Tiers and classes that both weeks have."""
        return self.now.groups & self.before.groups if self.before else set()

    @property
    def is_alike(self) -> bool:
        """Whether both weeks have the same tiers and classes."""
        return self.before is not None and self.now.groups == self.before.groups

    @property
    def limits(self) -> str | None:
        """What the comparison is limited to, in words; None if nothing is left out."""
        if self.before is None or self.is_alike:
            return None
        common = ", ".join(f"{tier} {cls}" for tier, cls in sorted(self.like))
        return f"compared on {common} alone, which is all that both weeks have"

    def classes(self, tier: str) -> set[str]:
        """Classes of a tier that both weeks have."""
        return {cls for name, cls in self.like if name == tier}

    @cached_property
    def both(self) -> tuple[pl.DataFrame, pl.DataFrame] | None:
        """Totals of both weeks over what both have; None if nothing can be compared."""
        if self.before is None:
            return None
        if self.is_alike:
            return self.now.frame, self.before.frame
        like = pl.DataFrame(
            sorted(self.like), schema=dict.fromkeys(_GROUP, pl.String), orient="row"
        )
        return tuple(  # type: ignore[return-value]
            frame.join(like, on=_GROUP, how="semi") for frame in (self.now.frame, self.before.frame)
        )


def pair(now: Totals, earlier: list[Totals]) -> Pair:
    """A week and the first of some earlier weeks, nearest first, with a group in common."""
    for other in earlier:
        if other.groups & now.groups:
            return Pair(now, other)
    return Pair(now, None)
