-- A row for each venue whose totals differ from those of the venue rows.
-- $venue_volume, $derived: lists of Parquet files.
WITH expected AS (
    SELECT
        mpid,
        sum(share_volume) AS total_volume,
        sum(trade_count) AS total_trades,
        count(DISTINCT symbol) AS symbol_count
    FROM read_parquet($venue_volume, hive_partitioning = false)
    GROUP BY mpid
)
SELECT
    coalesce(e.mpid, d.mpid) AS mpid,
    e.total_volume AS expected_shares,
    d.total_volume AS found_shares,
    e.total_trades AS expected_trades,
    d.total_trades AS found_trades,
    e.symbol_count AS expected_symbols,
    d.symbol_count AS found_symbols
FROM expected AS e
FULL JOIN read_parquet($derived, hive_partitioning = false) AS d ON d.mpid = e.mpid
WHERE
    e.total_volume IS DISTINCT FROM d.total_volume
    OR e.total_trades IS DISTINCT FROM d.total_trades
    OR e.symbol_count IS DISTINCT FROM d.symbol_count
ORDER BY mpid;
