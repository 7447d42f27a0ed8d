-- Four weeks more, in which the prior week of the first one may be.
WITH loaded AS (
    SELECT
        week_ending,
        list({'tier': tier, 'classes': classes} ORDER BY tier)::VARCHAR AS scope,
        otc_is_complete(classes) AS is_complete
    FROM otc_loaded_in($first_week::DATE - 28, $last_week)
    GROUP BY week_ending
),

weeks AS (
    SELECT
        m.*,
        CASE WHEN lag(week_ending) OVER by_week >= week_ending - 28
            THEN lag(week_ending) OVER by_week
        END AS prior_week_ending,
        prior_week_ending IS NOT NULL AND lag(scope) OVER by_week = scope AS is_comparable,
        CASE WHEN is_comparable THEN lag(total_volume) OVER by_week END AS prior_volume
    FROM otc_market_structure_in($first_week::DATE - 28, $last_week) AS m
    INNER JOIN loaded USING (week_ending)
    WHERE m.tier = 'ALL'
    WINDOW by_week AS (ORDER BY week_ending)
)

SELECT
    day.week_ending,
    CASE
        WHEN w.week_ending IS NULL THEN 'not loaded'
        WHEN w.is_complete THEN 'complete'
        ELSE 'incomplete week'
    END AS state,
    w.* EXCLUDE (week_ending, trading_days),
    CASE WHEN w.prior_volume > 0
        THEN 100 * (w.total_volume - w.prior_volume)::DOUBLE / w.prior_volume::DOUBLE
    END AS volume_change_pct,
    day.trading_days
FROM otc_weeks_calendar AS day
LEFT JOIN weeks AS w USING (week_ending)
WHERE day.week_ending BETWEEN $first_week AND $last_week
ORDER BY day.week_ending
