"""The older way, Market Spine's: a row at a time through Python objects into SQLite.

    uv run --group bench python benchmarks/row_by_row.py WEEKS.json DATABASE --commit row

Written anew from what its documents say: `otc.ingest` parses a file into records, skips those
whose hash is stored and inserts the others one by one; `otc.normalize` fetches raw records
that are not normalized, validates each and inserts it; `otc.summarize` loads a week's rows and
computes both aggregates in Python. Its connection commits each statement by itself
(`isolation_level=None`): `--commit row`. The kinder reading, one transaction a pipeline, is
`--commit pipeline`.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sqlite3
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import delivered

SQL = {path.stem: path.read_text() for path in Path(__file__).parent.glob("sql/rows/*.sql")}
TIERS = {"NMS Tier 1": "NMS_TIER_1", "NMS Tier 2": "NMS_TIER_2", "OTC": "OTC"}


@dataclass(frozen=True)
class RawRecord:
    """A line of a file."""

    tier: str
    symbol: str
    issue_name: str
    venue_name: str
    mpid: str
    share_volume: int
    trade_count: int
    record_hash: str


@dataclass(frozen=True)
class VenueVolume:
    """A normalized line; raises ValueError where its figures cannot be."""

    week_ending: str
    tier: str
    symbol: str
    mpid: str
    share_volume: int
    trade_count: int
    record_hash: str

    def __post_init__(self) -> None:
        if self.share_volume < 0 or self.trade_count < 0:
            raise ValueError(f"negative figures: {self}")
        if not self.symbol or not self.mpid:
            raise ValueError(f"no symbol or venue: {self}")

    @property
    def avg_trade_size(self) -> str | None:
        """Shares per trade, as decimal text."""
        return _mean(self.share_volume, self.trade_count)


def main() -> None:
    """Run the three pipelines for every week of the list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weeks", type=Path)
    parser.add_argument("database", type=Path)
    parser.add_argument("--commit", choices=("row", "pipeline"), default="row")
    chosen = parser.parse_args()
    connection = sqlite3.connect(chosen.database, isolation_level=None)
    connection.executescript(SQL["schema"])
    by_row = chosen.commit == "row"
    for week, paths in delivered.read_list(chosen.weeks).items():
        for path in paths:
            with _pipeline(connection, by_row):
                ingest(connection, path, week)
        with _pipeline(connection, by_row):
            normalize(connection)
        with _pipeline(connection, by_row):
            summarize(connection, week)


@contextmanager
def _pipeline(connection: sqlite3.Connection, by_row: bool) -> Iterator[None]:
    """One transaction, or as many as there are statements."""
    if not by_row:
        connection.execute("BEGIN")
    yield
    connection.commit()


def parse(path: Path) -> Iterator[RawRecord]:
    """The records of a file."""
    with path.open(newline="") as file:
        for row in csv.DictReader(file, delimiter="|", quoting=csv.QUOTE_NONE):
            yield RawRecord(
                tier=row["tierDescription"],
                symbol=row["issueSymbolIdentifier"],
                issue_name=row["issueName"],
                venue_name=row["marketParticipantName"],
                mpid=row["MPID"],
                share_volume=int(row["totalWeeklyShareQuantity"]),
                trade_count=int(row["totalWeeklyTradeCount"]),
                record_hash=hashlib.sha256("|".join(row.values()).encode()).hexdigest()[:32],
            )


def ingest(connection: sqlite3.Connection, path: Path, week: date) -> None:
    """`otc.ingest`: a file into otc_raw."""
    batch = str(uuid.uuid4())
    held = {found for (found,) in connection.execute(SQL["held_hashes"])}
    for record in parse(path):
        if record.record_hash not in held:
            held.add(record.record_hash)
            connection.execute(
                SQL["insert_raw"],
                (
                    batch,
                    record.record_hash,
                    str(week),
                    record.tier,
                    record.symbol,
                    record.issue_name,
                    record.venue_name,
                    record.mpid,
                    record.share_volume,
                    record.trade_count,
                    path.name,
                ),
            )


def normalize(connection: sqlite3.Connection) -> None:
    """`otc.normalize`: what is new in otc_raw into otc_venue_volume."""
    for row in connection.execute(SQL["not_normalized"]).fetchall():
        week, tier, symbol, mpid, shares, trades, record_hash = row
        try:
            volume = VenueVolume(week, TIERS[tier], symbol, mpid, shares, trades, record_hash)
        except (KeyError, ValueError):
            continue  # counted as rejected there, and not stored
        connection.execute(
            SQL["insert_venue_volume"],
            (
                volume.week_ending,
                volume.tier,
                volume.symbol,
                volume.mpid,
                volume.share_volume,
                volume.trade_count,
                volume.avg_trade_size,
                volume.record_hash,
            ),
        )


def summarize(connection: sqlite3.Connection, week: date) -> None:
    """`otc.summarize`: both aggregates of a week, deleted and inserted again."""
    rows = connection.execute(SQL["rows_of_week"], (str(week),)).fetchall()
    by_symbol: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    by_venue: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for tier, symbol, mpid, shares, trades in rows:
        by_symbol[tier, symbol].append((shares, trades))
        by_venue[mpid].append((shares, trades, symbol))
    connection.execute(SQL["delete_symbol_summary"], (str(week),))
    for (tier, symbol), parts in by_symbol.items():
        volume, trades = sum(part[0] for part in parts), sum(part[1] for part in parts)
        row = (str(week), tier, symbol, volume, trades, len(parts), _mean(volume, trades))
        connection.execute(SQL["insert_symbol_summary"], row)
    connection.execute(SQL["delete_venue_share"], (str(week),))
    totals = {mpid: sum(part[0] for part in parts) for mpid, parts in by_venue.items()}
    for rank, mpid in enumerate(sorted(totals, key=totals.__getitem__, reverse=True), start=1):
        parts_of = by_venue[mpid]
        trades = sum(part[1] for part in parts_of)
        symbols = len({part[2] for part in parts_of})
        share = str(Decimal(100 * totals[mpid]) / sum(totals.values()))
        row_of = (str(week), mpid, totals[mpid], trades, symbols, share, rank)
        connection.execute(SQL["insert_venue_share"], row_of)


def _mean(shares: int, trades: int) -> str | None:
    return str(Decimal(shares) / Decimal(trades)) if trades else None


if __name__ == "__main__":
    main()
