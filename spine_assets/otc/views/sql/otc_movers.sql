-- The earlier week is at most 28 days back. Its rows are joined by the week itself before they are
-- grouped: so DuckDB reads those two weeks alone where a query filters the view by a week.
WITH loaded AS (
    -- A tier counts if its symbols are built too: else all of them would be GONE.
    SELECT *
    FROM otc_loaded_in(first_week::DATE - 28, last_week)
    SEMI JOIN (
        SELECT week_ending, tier
        FROM otc_symbol_summary
        WHERE week_ending BETWEEN first_week::DATE - 28 AND last_week::DATE
    ) USING (week_ending, tier)
    -- More than three tiers of the weeks of 60 years: DuckDB, which cannot know how few rows these
    -- are, then joins by them and reads their files alone.
    LIMIT 10000
),

pairs AS (
    SELECT
        week_ending,
        tier,
        CASE WHEN lag(week_ending) OVER by_week >= week_ending - 28
            THEN lag(week_ending) OVER by_week
        END AS prior_week_ending,
        prior_week_ending IS NOT NULL AND lag(classes) OVER by_week = classes AS is_comparable
    FROM loaded
    WINDOW by_week AS (PARTITION BY tier ORDER BY week_ending)
),

weeks AS (
    SELECT week_ending, otc_is_complete(classes) AS is_complete
    FROM loaded
    GROUP BY week_ending
),

requested AS (
    SELECT p.*, weeks.is_complete, day.trading_days, before.trading_days AS prior_trading_days
    FROM pairs AS p
    INNER JOIN weeks USING (week_ending)
    INNER JOIN otc_weeks_calendar AS day ON day.week_ending = p.week_ending
    LEFT JOIN otc_weeks_calendar AS before ON before.week_ending = p.prior_week_ending
    WHERE p.week_ending BETWEEN first_week::DATE AND last_week::DATE
),

parts AS (
    SELECT
        week_ending,
        tier,
        symbol,
        total_volume,
        NULL AS prior_volume,
        NULL AS name,
        NULL AS prior_name
    FROM otc_symbol_summary
    WHERE week_ending BETWEEN first_week::DATE AND last_week::DATE
    UNION ALL BY NAME
    SELECT p.week_ending, p.tier, s.symbol, s.total_volume AS prior_volume
    FROM otc_symbol_summary AS s
    INNER JOIN pairs AS p ON s.week_ending = p.prior_week_ending AND s.tier = p.tier
    WHERE p.is_comparable AND s.week_ending BETWEEN first_week::DATE - 28 AND last_week::DATE
    UNION ALL BY NAME
    -- An issue may be renamed between its rows: the latest name is used.
    SELECT
        week_ending,
        tier,
        symbol,
        max_by(issue_name, (last_update_date, issue_name)) AS name
    FROM otc_venue_volume
    WHERE week_ending BETWEEN first_week::DATE AND last_week::DATE
    GROUP BY week_ending, tier, symbol
    UNION ALL BY NAME
    SELECT
        p.week_ending,
        p.tier,
        v.symbol,
        max_by(v.issue_name, (v.last_update_date, v.issue_name)) AS prior_name
    FROM otc_venue_volume AS v
    INNER JOIN pairs AS p ON v.week_ending = p.prior_week_ending AND v.tier = p.tier
    WHERE p.is_comparable AND v.week_ending BETWEEN first_week::DATE - 28 AND last_week::DATE
    GROUP BY p.week_ending, p.tier, v.symbol
),

changes AS (
    SELECT
        week_ending,
        tier,
        symbol,
        max(parts.total_volume) AS total_volume,
        max(parts.prior_volume) AS prior_volume,
        -- A symbol without a row in the week has its name of the prior week.
        CASE WHEN count(parts.total_volume) > 0 THEN max(name) ELSE max(prior_name) END
            AS issue_name
    FROM parts
    GROUP BY week_ending, tier, symbol
    HAVING count(parts.total_volume) + count(parts.prior_volume) > 0
),

named AS (
    SELECT
        changes.*,
        (total_volume - prior_volume)::DECIMAL(38, 6) AS volume_change,
        requested.* EXCLUDE (week_ending, tier)
    FROM changes
    INNER JOIN requested USING (week_ending, tier)
)

SELECT
    week_ending,
    tier,
    symbol,
    issue_name,
    total_volume,
    prior_week_ending,
    prior_volume,
    volume_change,
    CASE WHEN prior_volume > 0
        THEN 100 * volume_change::DOUBLE / prior_volume::DOUBLE
    END AS volume_change_pct,
    CASE
        WHEN NOT is_comparable THEN NULL
        WHEN prior_volume IS NULL THEN 'NEW'
        WHEN total_volume IS NULL THEN 'GONE'
        WHEN volume_change > 0 THEN 'UP'
        WHEN volume_change < 0 THEN 'DOWN'
        ELSE 'SAME'
    END AS kind,
    CASE WHEN volume_change IS NOT NULL
        THEN rank() OVER (
            PARTITION BY week_ending, tier
            ORDER BY abs(volume_change) DESC NULLS LAST
        )
    END AS mover_rank,
    trading_days,
    prior_trading_days,
    -- v / d against w / e, multiplied out to be exact.
    CASE WHEN prior_volume > 0
        THEN 100 * (total_volume * prior_trading_days - prior_volume * trading_days)::DOUBLE
            / (prior_volume * trading_days)::DOUBLE
    END AS volume_change_per_day_pct,
    is_comparable,
    is_complete
FROM named
