"""Small lakes for the views: rows of `otc_venue_volume` typed in, the other tables built from them.

Belongs here: making such lakes and asking their views. Figures that are expected stand in the
tests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from spine_assets.core.table_schema import conform, polars_schema
from spine_assets.lake.local import LocalLake
from spine_assets.otc.build.builders import BUILDERS
from spine_assets.otc.tables import venue_volume

T1, T2, OTC = "NMS_TIER_1", "NMS_TIER_2", "OTC"
ATS, NON_ATS, BUCKET = "ATS", "NON_ATS", "DE_MINIMIS"
BUILD = "20260120T120000Z-0123456789ab"
Answer = list[dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """One row of `otc_venue_volume`."""

    week: date
    tier: str
    symbol: str
    mpid: str
    shares: str
    trades: int = 1
    issue: str = "Issue"
    name: str = "Venue"
    updated: date = date(2025, 12, 22)

    @property
    def venue_class(self) -> str:
        """As the identity tells it: a firm outside of ATSs goes by CRD number or name."""
        return NON_ATS if self.mpid.startswith(("CRD", "FIRM:", BUCKET)) else ATS


def lake_of(root: Path, rows: Iterable[Row]) -> LocalLake:
    """A lake with `otc_venue_volume` and the tables that are built from it alone."""
    lake = LocalLake(root)
    weeks: dict[date, list[Row]] = defaultdict(list)
    for row in rows:
        weeks[row.week].append(row)
    for week, found in weeks.items():
        for name, frame in tables_of(found).items():
            target = lake.part(name, week)
            lake.publish(lake.stage(frame, target, {}), target)
    return lake


def tables_of(rows: Iterable[Row]) -> dict[str, pl.DataFrame]:
    """`otc_venue_volume` and the tables that are built from it alone, each week by itself."""
    weeks: dict[date, list[Row]] = defaultdict(list)
    for row in rows:
        weeks[row.week].append(row)
    built = [_built(_venues(found)) for found in weeks.values()]
    return {name: pl.concat(frames[name] for frames in built) for name in built[0]}


def _built(venues: pl.DataFrame) -> dict[str, pl.DataFrame]:
    inputs = (
        venues.select("tier", "venue_class").unique().with_columns(input_capture_id=pl.lit(BUILD))
    )
    made = {name: build(venues, inputs, BUILD) for name, build in BUILDERS.items()}
    return {venue_volume.TABLE.name: venues, **made}


def _venues(rows: list[Row]) -> pl.DataFrame:
    frame = pl.DataFrame(
        [
            {
                "week_ending": row.week,
                "tier": row.tier,
                "symbol": row.symbol,
                "venue_class": row.venue_class,
                "mpid": row.mpid,
                "venue_name": row.name,
                "issue_name": row.issue,
                "share_volume": Decimal(row.shares),
                "trade_count": row.trades,
                "avg_trade_size": None,
                "issue_count": 1,
                "last_update_date": row.updated,
                "record_hash": "",
                "capture_id": BUILD,
                "build_id": BUILD,
            }
            for row in rows
        ],
        schema=polars_schema(venue_volume.TABLE),
        orient="row",
    )
    return conform(frame, venue_volume.TABLE)


def ask(connection: duckdb.DuckDBPyConnection, sql: str, **parameters: object) -> Answer:
    """Rows of a query by column name."""
    cursor = connection.execute(sql, parameters or None)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def one(answer: Answer, **key: object) -> dict[str, Any]:
    """The only row that has these values."""
    (found,) = (row for row in answer if all(row[name] == key[name] for name in key))
    return found
