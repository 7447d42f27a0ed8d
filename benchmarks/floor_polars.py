"""The floor in bare Polars: the project's four tables, with no orchestration and no checks.

    uv run --group bench python benchmarks/floor_polars.py WEEKS.json LAKE --threads 2

The script that one writes, and makes as fast as it goes, for ATS files that are known to be
sound: no rejects, no trimming, no captures to choose from, no locks, no syncing to disk,
nothing remembered. WEEKS.json tells which files are of which week (`delivered.write_list`);
finding that out costs nothing here. Same columns, types and order of rows as the lake.
"""

from __future__ import annotations

import argparse
import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import delivered
import polars as pl
import polars_hash as plh

SHARES = pl.Decimal(28, 6)
FIELDS = {
    "tier": pl.String(),
    "symbol": pl.String(),
    "issue_name": pl.String(),
    "venue_name": pl.String(),
    "mpid": pl.String(),
    "share_volume": SHARES,
    "trade_count": pl.Int64(),
    "last_update_date": pl.Date(),
}
TIERS = {"NMS Tier 1": "NMS_TIER_1", "NMS Tier 2": "NMS_TIER_2", "OTC": "OTC"}
BUCKET = "DE_MINIMIS"
# Measured on a week: a third less time than the default level 3, files as small (-3 to +2%).
ZSTD_LEVEL = 1


def main() -> None:
    """Build every week of the list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weeks", type=Path)
    parser.add_argument("lake", type=Path)
    parser.add_argument("--threads", type=int, default=1, help="weeks at a time")
    chosen = parser.parse_args()
    weeks = delivered.read_list(chosen.weeks)
    with ThreadPoolExecutor(chosen.threads) as pool:
        list(pool.map(lambda week: build_week(chosen.lake, week, weeks[week]), weeks))


def build_week(lake: Path, week: date, paths: list[Path]) -> None:
    """Write the four tables of a week from its files, one a tier."""
    now = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    raw, captures = [], {}
    for path in paths:
        capture_id, frame = read_raw(path, week, now)
        tier = TIERS[frame.item(0, "tier")]
        write(frame, lake, "otc_raw", week, f"{tier}.ATS.{capture_id}")
        raw.append(frame)
        captures[tier] = capture_id
    build_id = build_id_of(captures, now)
    venues = venue_volume(pl.concat(raw), build_id)
    write(venues, lake, "otc_venue_volume", week)
    write(symbol_summary(venues, captures, build_id), lake, "otc_symbol_summary", week)
    write(venue_share(venues, captures, build_id), lake, "otc_venue_share", week)


def read_raw(path: Path, week: date, now: datetime) -> tuple[str, pl.DataFrame]:
    """The capture's id and the rows of `otc_raw` of a delivered file."""
    content = path.read_bytes()
    capture_id = f"{now:%Y%m%dT%H%M%SZ}-{hashlib.sha256(content).hexdigest()[:12]}"
    fields = pl.read_csv(
        content, separator="|", quote_char=None, has_header=False, skip_rows=1, schema=FIELDS
    )
    # A line as it stands is its eight fields joined by |: nothing needs joining again.
    lines = pl.read_lines(content, name="line", row_index_name="before")[1:]
    hashes = plh.NonCryptographicHashingNameSpace(pl.col("line")).xxh3_128(
        return_binary=True, byte_order="big"
    )
    frame = fields.select(
        pl.lit(capture_id).alias("capture_id"),
        pl.lit(week).alias("week_ending"),
        "tier",
        pl.col("tier").replace_strict(TIERS).alias("tier_name"),
        *("symbol", "issue_name", "venue_name", "mpid"),
        pl.lit(None, pl.String).alias("firm_crd"),
        pl.lit("ATS").alias("venue_class"),
        pl.lit(None, pl.String).alias("product_type"),
        pl.lit(None, pl.String).alias("summary_type"),
        *("share_volume", "trade_count"),
        pl.lit(None, SHARES).alias("notional"),
        "last_update_date",
        pl.lit(None, pl.Date).alias("initial_published_date"),
        pl.lit(None, pl.Date).alias("last_reported_date"),
        pl.lit(None, pl.String).alias("extra"),
        pl.lit(None, pl.String).alias("notes"),
        lines.select(hashes.bin.encode("hex")).to_series().alias("record_hash"),
        pl.lit(path.name).alias("source_file"),
        pl.int_range(2, pl.len() + 2).alias("source_line"),
        pl.lit(now, pl.Datetime("us")).alias("captured_at"),
    )
    return capture_id, frame


def build_id_of(captures: dict[str, str], now: datetime) -> str:
    """The time and 12 hex digits of what a week is made from."""
    inputs = hashlib.sha256("".join(captures.values()).encode()).hexdigest()
    return f"{now:%Y%m%dT%H%M%SZ}-{inputs[:12]}"


def venue_volume(raw: pl.DataFrame, build_id: str) -> pl.DataFrame:
    """`otc_raw` of a week -> `otc_venue_volume`."""
    key = ["symbol", "tier", "venue_class", "mpid"]
    return raw.select(
        "week_ending",
        pl.col("tier_name").alias("tier"),
        *("symbol", "venue_class", "mpid"),
        pl.col("venue_name").str.strip_prefix(pl.col("mpid") + " ").str.strip_chars_start(),
        *("issue_name", "share_volume", "trade_count"),
        average("share_volume", "trade_count"),
        pl.lit(1, pl.Int64).alias("issue_count"),
        *("last_update_date", "record_hash"),
        capture_id=pl.lit(build_id),
        build_id=pl.lit(build_id),
    ).sort(pl.concat_str(key, separator="\0"))  # three times as fast as by four columns


def symbol_summary(venues: pl.DataFrame, captures: dict[str, str], build_id: str) -> pl.DataFrame:
    """`otc_venue_volume` of a week -> `otc_symbol_summary`."""
    named, ats = pl.col("mpid") != BUCKET, pl.col("venue_class") == "ATS"
    volume, total = pl.col("share_volume"), pl.col("total_volume").cast(pl.Float64)
    square = volume.cast(pl.Float64) ** 2
    sums = venues.group_by("week_ending", "tier", "symbol").agg(
        total_volume=volume.sum().cast(SHARES),
        total_trades=pl.col("trade_count").sum(),
        venue_count=named.sum().cast(pl.Int64),
        ats_volume=volume.filter(ats).sum().cast(SHARES),
        non_ats_volume=pl.lit(None, SHARES),  # the files have one class
        top_mpid=pl.col("mpid").filter(named).max_by(volume.filter(named)),
        top_share_pct=volume.filter(named).max().cast(pl.Float64),
        hhi=square.filter(named).sum(),
        hhi_high=square.sum(),
    )
    capture = pl.col("tier").replace_strict(captures)
    traded = pl.when(total > 0)
    return sums.select(
        *("week_ending", "tier", "symbol", "total_volume", "total_trades", "venue_count"),
        average("total_volume", "total_trades"),
        *("ats_volume", "non_ats_volume"),
        pl.lit(["ATS"], pl.List(pl.String)).alias("classes"),
        "top_mpid",
        traded.then(pl.col("top_share_pct") / total * 100),
        traded.then(pl.col("hhi") / total**2),
        traded.then(pl.col("hhi_high") / total**2),
        capture_id=pl.lit(build_id),
        build_id=pl.lit(build_id),
        input_min_capture_id=capture,
        input_max_capture_id=capture,
    ).sort("symbol", "tier")


def venue_share(venues: pl.DataFrame, captures: dict[str, str], build_id: str) -> pl.DataFrame:
    """`otc_venue_volume` of a week -> `otc_venue_share`."""
    capture, updated = pl.col("tier").replace_strict(captures), pl.col("last_update_date")
    sums = venues.group_by("week_ending", "mpid", "venue_class").agg(
        venue_name=pl.col("venue_name").filter(updated == updated.max()).max(),
        total_volume=pl.col("share_volume").sum().cast(SHARES),
        total_trades=pl.col("trade_count").sum(),
        symbol_count=pl.col("symbol").n_unique().cast(pl.Int64),
        input_min_capture_id=capture.min(),
        input_max_capture_id=capture.max(),
    )
    volume = pl.col("total_volume").cast(pl.Float64)
    ranked = pl.when(pl.col("mpid") != BUCKET).then("total_volume")
    return sums.select(
        *("week_ending", "mpid", "venue_class", "venue_name"),
        *("total_volume", "total_trades", "symbol_count"),
        (volume / volume.sum() * 100).alias("market_share_pct"),
        (volume / volume.sum().over("venue_class") * 100).alias("class_share_pct"),
        ranked.rank("min", descending=True).cast(pl.Int64).alias("rank"),
        pl.lit(sorted(captures), pl.List(pl.String)).alias("tiers"),
        pl.lit(["ATS"], pl.List(pl.String)).alias("classes"),
        pl.lit(len(captures) == len(TIERS)).alias("is_complete"),
        pl.lit(None, SHARES).alias("reported_total_volume"),  # these weeks have no control totals
        pl.lit(None, pl.Float64).alias("attributed_pct"),
        pl.lit(None, pl.Int64).alias("reported_rank"),
        pl.lit([], pl.List(pl.String)).alias("reported_tiers"),
        pl.lit(build_id).alias("capture_id"),
        pl.lit(build_id).alias("build_id"),
        *("input_min_capture_id", "input_max_capture_id"),
    ).sort("mpid")


def average(shares: str, trades: str) -> pl.Expr:
    """Shares per trade, null without trades."""
    mean = pl.col(shares).cast(pl.Float64) / pl.col(trades)
    return pl.when(pl.col(trades) > 0).then(mean).alias("avg_trade_size")


def write(frame: pl.DataFrame, lake: Path, table: str, week: date, name: str = "data") -> None:
    """One Parquet file of a table's week."""
    folder = lake / table / f"week_ending={week}"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}.parquet"
    frame.write_parquet(target, compression="zstd", compression_level=ZSTD_LEVEL)


if __name__ == "__main__":
    main()
