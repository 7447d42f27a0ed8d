SELECT
    * RENAME (mpid AS venue_id)
FROM otc_venue_trend_in($week, $week)
ORDER BY rank NULLS LAST, total_volume DESC, venue_id
