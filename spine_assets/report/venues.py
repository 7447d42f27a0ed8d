"""Venues of a report: one firm is one venue, by CRD or by name alone, and has a name.

A report uses the identities of `otc_venues`, found by the same SQL in the weeks that it shows.
Does not belong here: figures of venues (`market`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import duckdb
import polars as pl

from spine_assets.core.weeks import VenueClass
from spine_assets.otc.delivery.venue_id import is_bucket
from spine_assets.otc.tables.concentration import percent
from spine_assets.otc.views.registry import statements_in

COLUMNS = ["week_ending", "venue_class", "mpid", "venue_name"]
"""The columns of `otc_venue_share` that identities are found by."""

_BY_NAME = "FIRM:"
_TABLE = """
CREATE TABLE otc_venue_share (
    week_ending DATE, venue_class VARCHAR, mpid VARCHAR, venue_name VARCHAR
)
"""
_IDS = "SELECT mpid, venue_id FROM otc_venue_ids_in(DATE '0001-01-01', DATE '9999-12-31')"


@dataclass(frozen=True)
class Venues:
    """Identities and names of the venues of some weeks.

    Attributes:
        ids: Stored identity -> that of the venue, where it is another.
        names: Identity of the venue -> its latest name.
    """

    ids: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def identified(self, frame: pl.DataFrame, column: str = "mpid") -> pl.DataFrame:
        """The frame with the identities of venues in a column of stored ones."""
        if not self.ids:
            return frame
        return frame.with_columns(pl.col(column).replace(dict(self.ids)))

    def merged(self, frame: pl.DataFrame) -> list[str]:
        """Stored identities that are one venue in this frame, which has each once."""
        together = self.identified(frame)["mpid"]
        return frame.filter(together.is_duplicated())["mpid"].to_list()

    def shares(self, stored: pl.DataFrame, symbols: pl.DataFrame) -> pl.DataFrame:
        """`otc_venue_share` of a week with a row per venue, shares and ranks of the sums.

        Args:
            stored: As stored; a venue may have several rows.
            symbols: `mpid` and `symbol` of the rows that `merged` names.
        """
        if not self.merged(stored):
            return self.identified(stored)
        counted = (
            self.identified(symbols).group_by("mpid").agg(_symbols=pl.col("symbol").n_unique())
        )
        summed = ("total_volume", "total_trades")
        parts = (
            self.identified(stored.with_columns(_is_named=pl.col("mpid").is_in(list(self.ids))))
            .sort("mpid", "_is_named")
            .group_by("mpid", maintain_order=True)
            .agg(pl.exclude(*summed).first(), pl.col(*summed).sum())
            .join(counted, on="mpid", how="left")
        )
        volume = pl.col("total_volume")
        ranked = pl.when(~is_bucket(pl.col("mpid"))).then(volume)
        return parts.with_columns(
            symbol_count=pl.coalesce("_symbols", "symbol_count").cast(pl.Int64),
            market_share_pct=percent(volume, volume.sum()),
            class_share_pct=percent(volume, volume.sum().over("venue_class")),
            rank=ranked.rank("min", descending=True).cast(pl.Int64),
        ).select(stored.columns)


def venues_of(
    weeks: Iterable[pl.DataFrame],
    connect: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
) -> Venues:
    """The venues of some weeks.

    Args:
        weeks: `COLUMNS` of each week.
        connect: Opens a DuckDB connection; only used if a firm is known by its name alone.
    """
    frames = [frame.select(COLUMNS) for frame in weeks]
    if not frames:
        return Venues()
    rows = pl.concat(frames).sort("week_ending")
    ids = _ids(rows, connect)
    named = rows.filter(pl.col("venue_name") != "")
    # The row with the CRD comes last in its week: it has the name that FINRA keeps for it.
    named = named.with_columns(_is_named=pl.col("mpid").is_in(list(ids)))
    named = named.sort("week_ending", ~pl.col("_is_named"), "mpid")
    names = dict(Venues(ids).identified(named).select("mpid", "venue_name").iter_rows())
    return Venues(ids, names)


def _ids(
    rows: pl.DataFrame, connect: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]
) -> dict[str, str]:
    firms = rows.filter(pl.col("venue_class") == VenueClass.NON_ATS.value)
    if not firms["mpid"].str.starts_with(_BY_NAME).any():
        return {}
    names = firms.group_by("venue_class", "mpid", "venue_name").agg(pl.col("week_ending").min())
    with connect() as connection:
        macros = (*statements_in("otc_text"), *statements_in("otc_venue_id"))
        for statement in (_TABLE, *macros):
            connection.execute(statement)
        connection.executemany(
            "INSERT INTO otc_venue_share VALUES (?, ?, ?, ?)", names.select(COLUMNS).rows()
        )
        return dict(connection.execute(_IDS).fetchall())
