WITH loaded AS (
    SELECT week_ending, otc_is_complete(classes) AS is_complete
    FROM otc_loaded_in($first_week, $last_week)
    GROUP BY week_ending
)

SELECT
    $venue_id::VARCHAR AS venue_id,
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
FROM otc_weeks_calendar AS day
LEFT JOIN loaded USING (week_ending)
LEFT JOIN (
    FROM otc_venue_trend_in($first_week, $last_week) WHERE mpid = $venue_id
) AS v USING (week_ending)
WHERE day.week_ending BETWEEN $first_week AND $last_week
ORDER BY day.week_ending
