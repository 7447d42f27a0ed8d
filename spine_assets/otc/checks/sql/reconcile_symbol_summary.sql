-- A row for each tier and symbol whose totals differ from those of the venue rows.
-- $venue_volume, $derived: lists of Parquet files. A venue has one row a symbol (the key of
-- $venue_volume, which the check `schema` has held), so its rows are its venues.
WITH loaded AS (
    SELECT tier, list(DISTINCT venue_class) AS classes
    FROM read_parquet($venue_volume, hive_partitioning = false)
    GROUP BY tier
),

expected AS (
    SELECT
        tier,
        symbol,
        sum(share_volume) AS total_volume,
        sum(trade_count) AS total_trades,
        count(*) FILTER (mpid NOT IN ('DE_MINIMIS', 'UNATTRIBUTED')) AS venue_count,
        CASE WHEN list_contains(any_value(classes), 'ATS')
            THEN coalesce(sum(share_volume) FILTER (venue_class = 'ATS'), 0)
        END AS ats_volume,
        CASE WHEN list_contains(any_value(classes), 'NON_ATS')
            THEN coalesce(sum(share_volume) FILTER (venue_class = 'NON_ATS'), 0)
        END AS non_ats_volume
    FROM read_parquet($venue_volume, hive_partitioning = false)
    INNER JOIN loaded USING (tier)
    GROUP BY tier, symbol
)
SELECT
    coalesce(e.tier, d.tier) AS tier,
    coalesce(e.symbol, d.symbol) AS symbol,
    e.total_volume AS expected_shares,
    d.total_volume AS found_shares,
    e.total_trades AS expected_trades,
    d.total_trades AS found_trades,
    e.venue_count AS expected_venues,
    d.venue_count AS found_venues
FROM expected AS e
FULL JOIN read_parquet($derived, hive_partitioning = false) AS d ON d.tier = e.tier AND d.symbol = e.symbol
WHERE
    e.total_volume IS DISTINCT FROM d.total_volume
    OR e.total_trades IS DISTINCT FROM d.total_trades
    OR e.venue_count IS DISTINCT FROM d.venue_count
    OR e.ats_volume IS DISTINCT FROM d.ats_volume
    OR e.non_ats_volume IS DISTINCT FROM d.non_ats_volume
    OR coalesce(d.ats_volume, 0) + coalesce(d.non_ats_volume, 0) IS DISTINCT FROM d.total_volume
ORDER BY tier, symbol;
