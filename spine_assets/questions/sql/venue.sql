WITH loaded AS (
    SELECT
        week_ending,
        otc_is_complete(classes) AS is_complete,
        list_sort(list_distinct(flatten(list(classes)))) AS classes
    FROM otc_loaded_in($first_week, $last_week)
    GROUP BY week_ending
),

asked AS (
    SELECT ids.venue_id, any_value(v.venue_class) AS venue_class
    FROM (SELECT unnest($venue_ids::VARCHAR[]) AS venue_id) AS ids
    LEFT JOIN otc_venues AS v USING (venue_id)
    GROUP BY ids.venue_id
)

SELECT
    asked.venue_id,
    day.week_ending,
    CASE
        WHEN loaded.is_complete IS NULL THEN 'not loaded'
        WHEN NOT list_contains(loaded.classes, asked.venue_class) THEN 'not loaded'
        WHEN v.mpid IS NOT NULL AND loaded.is_complete THEN 'complete'
        WHEN v.mpid IS NOT NULL THEN 'incomplete week'
        WHEN loaded.is_complete THEN 'no row'
        ELSE 'not known'
    END AS state,
    v.* EXCLUDE (week_ending, trading_days),
    loaded.classes,
    day.trading_days
FROM asked
CROSS JOIN otc_weeks_calendar AS day
LEFT JOIN loaded ON loaded.week_ending = day.week_ending
LEFT JOIN (
    FROM otc_venue_trend_in($first_week, $last_week) WHERE list_contains($venue_ids, mpid)
) AS v ON v.mpid = asked.venue_id AND v.week_ending = day.week_ending
WHERE day.week_ending BETWEEN $first_week AND $last_week
ORDER BY list_position($venue_ids, asked.venue_id), day.week_ending
