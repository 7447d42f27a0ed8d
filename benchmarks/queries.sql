-- The questions that docs/queries.md answers; the page shows the same text.

-- one symbol, all weeks
SELECT week_ending, tier, venue_class, mpid, share_volume, trade_count
FROM otc_venue_volume
WHERE symbol = 'PMCY'
ORDER BY week_ending, share_volume DESC, mpid;

-- venue shares of the latest week
SELECT rank, mpid, venue_name, total_volume, market_share_pct
FROM otc_venue_share
WHERE week_ending IN (
    SELECT week_ending FROM otc_venue_share ORDER BY week_ending DESC LIMIT 1
)
ORDER BY rank NULLS LAST;

-- six weeks rolling, one symbol
SELECT
    week_ending,
    sum(total_volume) AS volume,
    avg(sum(total_volume)) OVER six_weeks AS mean_volume,
    count(*) OVER six_weeks AS weeks
FROM otc_symbol_summary
WHERE symbol = 'PMCY'
GROUP BY week_ending
WINDOW six_weeks AS (
    ORDER BY week_ending RANGE BETWEEN INTERVAL 35 DAYS PRECEDING AND CURRENT ROW
)
ORDER BY week_ending;

-- top movers
SELECT
    symbol,
    tier,
    max_by(total_volume, week_ending) AS volume,
    min_by(total_volume, week_ending) AS volume_before,
    volume - volume_before AS change
FROM otc_symbol_summary
WHERE week_ending IN (
    SELECT DISTINCT week_ending FROM otc_venue_share
    WHERE is_complete
    ORDER BY week_ending DESC
    LIMIT 2
)
GROUP BY symbol, tier
HAVING count(*) = 2
ORDER BY abs(change) DESC, symbol, tier
LIMIT 20;
