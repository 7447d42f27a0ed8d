-- The questions that docs/cookbook.md answers; the page shows the same text.

-- one symbol, all weeks
SELECT week_ending, tier, venue_class, venue_name, mpid, share_volume, trade_count
FROM otc_venue_volume
WHERE symbol = 'PMCY'
ORDER BY week_ending, share_volume DESC, mpid;

-- venue shares of a week
SELECT rank, venue_name, mpid, total_volume, market_share_pct
FROM otc_venue_trend_in('2025-11-21', '2025-11-21')
ORDER BY rank NULLS LAST, mpid;

-- six weeks rolling, one symbol
SELECT week_ending, tier, total_volume, avg_6w_volume, window_weeks_traded, classes
FROM otc_symbol_trend_all
WHERE symbol = 'PMCY'
ORDER BY week_ending, tier;

-- top movers
SELECT symbol, issue_name, tier, total_volume, prior_volume, volume_change, prior_week_ending
FROM otc_movers_in('2025-11-21', '2025-11-21')
WHERE volume_change <> 0
ORDER BY abs(volume_change) DESC, symbol, tier
LIMIT 20;
