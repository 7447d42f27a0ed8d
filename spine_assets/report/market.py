"""Venues of a week: their shares, the changes of these, and the concentration of the market.

Pure functions from frames to rows. Every share is a share of reported off-exchange volume.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl

from spine_assets.core.tables import exact_sum
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.delivery.venue_id import is_bucket
from spine_assets.otc.tables.concentration import Concentration, concentration
from spine_assets.report.pair import Pair

Row = dict[str, Any]
ALL = "all"


def venue_rows(shares: pl.DataFrame, pair: Pair) -> list[Row]:
    """`otc_venue_share` of the week, a row per venue, largest first, with the changes.

    Adds `share_before_pct` and `change_points` (both like for like, None if nothing can be
    compared), `rank_change` (positive = moved up) and `is_new` (no row in the earlier week).
    """
    both = pair.both
    frame = shares.sort("total_volume", "mpid", descending=[True, False])
    if both is None:
        blank = {"share_before_pct": None, "change_points": None, "rank_change": None}
        return [row | blank | {"is_new": False} for row in frame.iter_rows(named=True)]
    now, before = (_shares(part) for part in both)
    moved = frame.join(now, on="mpid", how="left").join(
        before, on="mpid", how="left", suffix="_before"
    )
    return moved.with_columns(
        share_before_pct=pl.col("like_pct_before"),
        change_points=pl.col("like_pct") - pl.col("like_pct_before"),
        rank_change=pl.col("like_rank_before") - pl.col("like_rank"),
        is_new=pl.col("like_pct").is_not_null() & pl.col("like_pct_before").is_null(),
    ).to_dicts()


def gone(pair: Pair) -> list[Row]:
    """Venues of the earlier week without a row now (mpid, like_pct), largest first."""
    both = pair.both
    if both is None:
        return []
    now, before = (_shares(part) for part in both)
    lost = before.join(now, on="mpid", how="anti")
    return lost.sort("like_pct", "mpid", descending=[True, False]).to_dicts()


def concentrations(totals: pl.DataFrame) -> list[tuple[str, Concentration]]:
    """Concentration of all volume, and of each loaded class and tier."""
    scopes: list[tuple[str, pl.DataFrame]] = [(ALL, totals)]
    for column, names in (("venue_class", VenueClass), ("tier", Tier)):
        scopes += [(name.value, totals.filter(pl.col(column) == name.value)) for name in names]
    return [(scope, concentration(_by_venue(frame))) for scope, frame in scopes if frame.height]


def class_split(totals: pl.DataFrame) -> list[Row]:
    """ATS against non-ATS, by tier and in total; a class that is not loaded is None, never 0.

    `ats_pct` is None unless both classes are loaded, for the total in every loaded tier.
    """
    loaded = [tier.value for tier in Tier if totals.filter(pl.col("tier") == tier.value).height]
    rows = [_split(tier, totals.filter(pl.col("tier") == tier)) for tier in loaded]
    if len(rows) > 1:
        known = all(row[key] is not None for row in rows for key in ("ats", "non_ats"))
        rows.append(_split(ALL, totals) | ({} if known else {"ats_pct": None}))
    return rows


def change_pct(pair: Pair) -> float | None:
    """Change of the volume since the earlier week, percent, like for like."""
    both = pair.both
    if both is None:
        return None
    now, before = (exact_sum(part["share_volume"]) for part in both)
    return float((now - before) / before * 100) if before else None


def _by_venue(totals: pl.DataFrame) -> pl.DataFrame:
    return totals.group_by("mpid").agg(total_volume=pl.col("share_volume").sum())


def _split(scope: str, totals: pl.DataFrame) -> Row:
    volumes: list[Decimal | None] = []
    for name in (VenueClass.ATS, VenueClass.NON_ATS):
        mine = totals.filter(pl.col("venue_class") == name.value)
        volumes.append(exact_sum(mine["share_volume"]) if mine.height else None)
    ats, non_ats = volumes
    known = ats is not None and non_ats is not None and ats + non_ats
    percent = float(ats / (ats + non_ats) * 100) if known else None  # type: ignore[operator]
    return {"scope": scope, "ats": ats, "non_ats": non_ats, "ats_pct": percent}


def _shares(totals: pl.DataFrame) -> pl.DataFrame:
    """Totals -> mpid, like_pct (of all of them), like_rank (None for a bucket)."""
    volume = pl.col("_volume")
    ranked = pl.when(~is_bucket(pl.col("mpid"))).then(volume)
    return (
        totals.group_by("mpid")
        .agg(_volume=pl.col("share_volume").sum().cast(pl.Float64))
        .select(
            "mpid",
            like_pct=pl.when(volume.sum() > 0).then(volume / volume.sum() * 100),
            like_rank=ranked.rank("min", descending=True).cast(pl.Int64),
        )
    )
