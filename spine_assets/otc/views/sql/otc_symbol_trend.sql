-- The window of a week reaches 35 days back. Its rows are joined by the weeks themselves before they
-- are grouped: so DuckDB reads those weeks alone where a query filters the view by a week.
WITH loaded AS (
    -- A tier counts where its symbols are built too: else all of them would look absent.
    SELECT *
    FROM otc_loaded_in(first_week::DATE - 35, last_week)
    SEMI JOIN (
        SELECT week_ending, tier
        FROM otc_symbol_summary
        WHERE week_ending BETWEEN first_week::DATE - 35 AND last_week::DATE
    ) USING (week_ending, tier)
    -- More than three tiers of the weeks of 60 years: DuckDB, which cannot know how few rows these
    -- are, then joins by them and reads their files alone.
    LIMIT 10000
),

windows AS (
    SELECT
        here.week_ending,
        here.tier,
        any_value(here.classes) AS classes,
        count(*) FILTER (there.classes = here.classes) AS loaded_count,
        list(day.week_ending ORDER BY day.week_ending)
            FILTER (there.classes = here.classes) AS loaded_weeks,
        list(day.week_ending ORDER BY day.week_ending)
            FILTER (there.classes IS DISTINCT FROM here.classes) AS missing_weeks,
        list(day.week_ending ORDER BY day.week_ending)
            FILTER (day.trading_days < 5) AS holiday_weeks,
        max(day.trading_days) FILTER (day.week_ending = here.week_ending) AS trading_days
    FROM loaded AS here
    INNER JOIN otc_weeks_calendar AS day
        ON day.week_ending BETWEEN here.week_ending - 35 AND here.week_ending
    LEFT JOIN loaded AS there
        ON there.week_ending = day.week_ending AND there.tier = here.tier
    WHERE here.week_ending BETWEEN first_week::DATE AND last_week::DATE
    GROUP BY here.week_ending, here.tier
),

weeks AS (
    SELECT week_ending, otc_is_complete(classes) AS is_complete
    FROM loaded
    GROUP BY week_ending
),

grouped AS (
    SELECT
        w.week_ending,
        w.tier,
        s.symbol,
        max(s.total_volume) FILTER (s.week_ending = w.week_ending) AS total_volume,
        max(s.total_trades) FILTER (s.week_ending = w.week_ending) AS total_trades,
        max(s.ats_volume) FILTER (s.week_ending = w.week_ending) AS ats_volume,
        max(s.non_ats_volume) FILTER (s.week_ending = w.week_ending) AS non_ats_volume,
        count(*) AS traded_count,
        sum(s.total_volume) AS window_volume,
        sum(s.total_trades) AS window_trades,
        min(s.total_volume) AS min_6w_volume,
        max(s.total_volume) AS max_6w_volume,
        list(s.week_ending) AS traded_weeks
    FROM otc_symbol_summary AS s
    INNER JOIN (
        SELECT week_ending, tier, unnest(loaded_weeks) AS loaded_week
        FROM windows
    ) AS w ON s.week_ending = w.loaded_week AND s.tier = w.tier
    WHERE s.week_ending BETWEEN first_week::DATE - 35 AND last_week::DATE
    GROUP BY w.week_ending, w.tier, s.symbol
    HAVING bool_or(s.week_ending = w.week_ending)
),

figures AS (
    SELECT
        *,
        -- Against the mean m of the other weeks: (v - m) / m, multiplied out to be exact.
        window_volume - total_volume AS other_volume,
        CASE WHEN other_volume > 0
            THEN 100 * (total_volume * (traded_count - 1) - other_volume)::DOUBLE
                / other_volume::DOUBLE
        END AS volume_vs_avg_pct
    FROM grouped
)

SELECT
    f.week_ending,
    f.tier,
    f.symbol,
    f.total_volume,
    f.total_trades,
    CASE WHEN list_contains(w.classes, 'ATS') THEN f.ats_volume END AS ats_volume,
    CASE WHEN list_contains(w.classes, 'NON_ATS') THEN f.non_ats_volume END AS non_ats_volume,
    w.classes,
    w.loaded_count AS window_weeks_loaded,
    f.traded_count AS window_weeks_traded,
    f.window_volume::DOUBLE / f.traded_count AS avg_6w_volume,
    f.min_6w_volume,
    f.max_6w_volume,
    f.window_trades::DOUBLE / f.traded_count AS avg_6w_trades,
    CASE
        WHEN w.loaded_count < 6 OR f.volume_vs_avg_pct IS NULL THEN NULL
        WHEN f.volume_vs_avg_pct > 10 THEN 'UP'
        WHEN f.volume_vs_avg_pct < -10 THEN 'DOWN'
        ELSE 'FLAT'
    END AS trend,
    f.volume_vs_avg_pct,
    w.loaded_count = 6 AS is_complete_window,
    coalesce(w.missing_weeks, []) AS missing_weeks,
    CASE WHEN f.traded_count < w.loaded_count
        THEN list_filter(w.loaded_weeks, lambda week: NOT list_contains(f.traded_weeks, week))
        ELSE []
    END AS absent_weeks,
    coalesce(w.holiday_weeks, []) AS holiday_weeks,
    w.trading_days,
    weeks.is_complete
FROM figures AS f
INNER JOIN windows AS w USING (week_ending, tier)
INNER JOIN weeks USING (week_ending)
