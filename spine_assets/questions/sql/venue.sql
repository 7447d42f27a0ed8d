WITH loaded AS (
    SELECT week_ending, otc_is_complete(classes) AS is_complete
    FROM otc_loaded_in($first_week, $last_week)
    GROUP BY week_ending
)

SELECT
    asked.venue_id,
    day.week_ending,
    CASE
        WHEN loaded.is_complete IS NULL THEN 'not loaded'
        WHEN v.mpid IS NOT NULL AND loaded.is_complete THEN 'complete'
        WHEN v.mpid IS NOT NULL THEN 'incomplete week'
        WHEN loaded.is_complete THEN 'no row'
        ELSE 'not known'
    END AS state,
    v.* EXCLUDE (week_ending, trading_days),
    day.trading_days
FROM (SELECT unnest($venue_ids::VARCHAR[]) AS venue_id) AS asked
CROSS JOIN otc_weeks_calendar AS day
LEFT JOIN loaded ON loaded.week_ending = day.week_ending
LEFT JOIN (
    FROM otc_venue_trend_in($first_week, $last_week) WHERE list_contains($venue_ids, mpid)
) AS v ON v.mpid = asked.venue_id AND v.week_ending = day.week_ending
WHERE day.week_ending BETWEEN $first_week AND $last_week
ORDER BY list_position($venue_ids, asked.venue_id), day.week_ending
