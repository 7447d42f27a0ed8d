WITH loaded AS (
    SELECT DISTINCT week_ending
    FROM otc_loaded_in($first_week, $last_week)
)

SELECT
    $symbol::VARCHAR AS symbol,
    day.week_ending,
    coalesce(
        s.state,
        CASE WHEN loaded.week_ending IS NULL THEN 'not loaded' ELSE 'no consolidated volume' END
    ) AS state,
    s.* EXCLUDE (week_ending, symbol, state),
    day.trading_days
FROM otc_weeks_calendar AS day
LEFT JOIN loaded USING (week_ending)
LEFT JOIN (
    FROM otc_off_exchange_share_in($first_week, $last_week) WHERE symbol = $symbol
) AS s USING (week_ending)
WHERE day.week_ending BETWEEN $first_week AND $last_week
ORDER BY day.week_ending
