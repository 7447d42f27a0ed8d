WITH loaded AS (
    SELECT DISTINCT week_ending
    FROM otc_loaded_in($first_week, $last_week)
)

SELECT
    asked.symbol,
    day.week_ending,
    coalesce(
        s.state,
        CASE WHEN loaded.week_ending IS NULL THEN 'not loaded' ELSE 'no consolidated volume' END
    ) AS state,
    s.* EXCLUDE (week_ending, symbol, state),
    day.trading_days
FROM (SELECT unnest($symbols::VARCHAR[]) AS symbol) AS asked
CROSS JOIN otc_weeks_calendar AS day
LEFT JOIN loaded ON loaded.week_ending = day.week_ending
LEFT JOIN (
    FROM otc_off_exchange_share_in($first_week, $last_week) WHERE list_contains($symbols, symbol)
) AS s ON s.symbol = asked.symbol AND s.week_ending = day.week_ending
WHERE day.week_ending BETWEEN $first_week AND $last_week
ORDER BY list_position($symbols, asked.symbol), day.week_ending
