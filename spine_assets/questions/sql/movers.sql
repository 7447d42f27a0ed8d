-- A symbol that moved to another tier is compared over per_symbol.
WITH weeks AS (
    FROM otc_symbol_week_in($week::DATE - 28, $week)
),

scope AS (
    -- Alike in all rows of a week.
    SELECT
        any_value(prior_week_ending) AS prior_week_ending,
        any_value(is_comparable) AS is_comparable,
        any_value(trading_days) AS trading_days
    FROM weeks
    WHERE week_ending = $week
),

per_symbol AS (
    -- One row per symbol. As a join of the two weeks DuckDB 2.0.0 ends some queries in an
    -- internal error (dict-surviving join).
    SELECT
        w.symbol,
        max_by(w.issue_name, w.week_ending) AS issue_name,
        max(w.total_volume) FILTER (w.week_ending = $week) AS total_volume,
        max(w.total_volume) FILTER (w.week_ending < $week) AS earlier_volume
    FROM weeks AS w
    CROSS JOIN scope
    WHERE
        w.week_ending = $week
        OR (scope.is_comparable AND w.week_ending = scope.prior_week_ending)
    GROUP BY w.symbol
),

pairs AS (
    SELECT
        per_symbol.*,
        per_symbol.total_volume - per_symbol.earlier_volume AS change,
        CASE
            WHEN NOT scope.is_comparable THEN NULL
            WHEN per_symbol.earlier_volume IS NULL THEN 'NEW'
            WHEN per_symbol.total_volume IS NULL THEN 'GONE'
            WHEN change > 0 THEN 'UP'
            WHEN change < 0 THEN 'DOWN'
            ELSE 'SAME'
        END AS kind
    FROM per_symbol
    CROSS JOIN scope
)

SELECT
    $week::DATE AS week_ending,
    CASE WHEN p.change IS NOT NULL
        THEN rank() OVER (ORDER BY abs(p.change) DESC NULLS LAST)
    END AS rank,
    p.* RENAME (earlier_volume AS prior_volume, change AS volume_change),
    scope.prior_week_ending,
    CASE WHEN p.earlier_volume > 0
        THEN 100 * p.change::DOUBLE / p.earlier_volume::DOUBLE
    END AS volume_change_pct,
    CASE WHEN p.earlier_volume > 0 AND scope.trading_days > 0
        THEN 100 * (
            (p.total_volume::DOUBLE / scope.trading_days)
            / (p.earlier_volume::DOUBLE / before.trading_days)
            - 1
        )
    END AS volume_change_per_day_pct,
    scope.trading_days,
    before.trading_days AS prior_trading_days,
    scope.is_comparable
FROM pairs AS p
CROSS JOIN scope
LEFT JOIN otc_weeks_calendar AS before ON before.week_ending = scope.prior_week_ending
ORDER BY rank NULLS LAST, coalesce(p.total_volume, p.earlier_volume) DESC, p.symbol
