WITH loaded AS (
    SELECT week_ending, otc_is_complete(classes) AS is_complete
    FROM otc_loaded_in($first_week, $last_week)
    GROUP BY week_ending
)

SELECT
    asked.symbol,
    day.week_ending,
    CASE
        WHEN loaded.is_complete IS NULL THEN 'not loaded'
        WHEN w.symbol IS NOT NULL AND loaded.is_complete THEN 'complete'
        WHEN w.symbol IS NOT NULL THEN 'incomplete week'
        WHEN loaded.is_complete THEN 'no row'
        ELSE 'not known'
    END AS state,
    w.* EXCLUDE (week_ending, symbol, trading_days),
    day.trading_days
FROM (SELECT unnest($symbols::VARCHAR[]) AS symbol) AS asked
CROSS JOIN otc_weeks_calendar AS day
LEFT JOIN loaded ON loaded.week_ending = day.week_ending
LEFT JOIN (
    FROM otc_symbol_week_in($first_week, $last_week) WHERE list_contains($symbols, symbol)
) AS w ON w.symbol = asked.symbol AND w.week_ending = day.week_ending
WHERE day.week_ending BETWEEN $first_week AND $last_week
ORDER BY list_position($symbols, asked.symbol), day.week_ending
