-- 'ALL' stands for the tiers together.
WITH ids AS MATERIALIZED (
    FROM otc_venue_ids_in(first_week, last_week)
),

stored AS (
    SELECT
        week_ending,
        tier,
        mpid,
        venue_class,
        sum(share_volume) AS volume,
        sum(trade_count) AS trades
    FROM otc_venue_volume
    WHERE week_ending BETWEEN first_week::DATE AND last_week::DATE
    GROUP BY week_ending, tier, mpid, venue_class
),

identified AS (
    -- A firm by its name in one file and by its CRD in another is one venue.
    SELECT stored.*, coalesce(ids.venue_id, stored.mpid) AS venue_id
    FROM stored
    LEFT JOIN ids USING (venue_class, mpid)
),

venues AS (
    SELECT
        *,
        count(*) OVER (PARTITION BY week_ending, tier, venue_class, venue_id) > 1 AS is_twice
    FROM identified
),

loaded AS (
    FROM otc_loaded_in(first_week, last_week)
),

scopes AS (
    SELECT week_ending, tier, classes FROM loaded
    UNION ALL
    -- Classes that every loaded tier has.
    SELECT
        week_ending,
        'ALL' AS tier,
        list_filter(['ATS', 'NON_ATS'], lambda class: list_contains(common, class)) AS classes
    FROM (
        SELECT
            week_ending,
            list_reduce(list(classes), lambda these, those: list_intersect(these, those)) AS common
        FROM loaded
        GROUP BY week_ending
    )
),

firms AS (
    -- A venue once a scope.
    SELECT
        week_ending,
        coalesce(tier, 'ALL') AS tier,
        venue_id,
        sum(volume) AS volume,
        sum(trades) AS trades,
        sum(volume) FILTER (venue_class = 'ATS') AS ats_volume,
        sum(volume) FILTER (venue_class = 'NON_ATS') AS non_ats_volume
    FROM venues
    GROUP BY GROUPING SETS ((week_ending, tier, venue_id), (week_ending, venue_id))
),

names AS (
    -- The row with the CRD has the name that FINRA keeps for it.
    SELECT
        s.week_ending,
        coalesce(ids.venue_id, s.mpid) AS top_mpid,
        min_by(s.venue_name, (ids.venue_id IS NOT NULL, s.mpid))
            FILTER (s.venue_name <> '') AS venue_name
    FROM otc_venue_share AS s
    LEFT JOIN ids USING (venue_class, mpid)
    WHERE s.week_ending BETWEEN first_week::DATE AND last_week::DATE
    GROUP BY ALL
),

totals AS (
    SELECT
        week_ending,
        tier,
        sum(volume) AS total_volume,
        sum(trades) AS total_trades,
        sum(ats_volume) AS ats_volume,
        sum(non_ats_volume) AS non_ats_volume,
        count(*) FILTER (NOT otc_is_bucket(venue_id)) AS venue_count,
        min_by(venue_id, (-volume, venue_id)) FILTER (NOT otc_is_bucket(venue_id)) AS top_mpid,
        max(volume) FILTER (NOT otc_is_bucket(venue_id)) AS top_volume,
        otc_hhi(volume, venue_id) AS hhi,
        otc_hhi_high(volume) AS hhi_high
    FROM firms
    GROUP BY week_ending, tier
),

repeats AS (
    -- Symbols of a firm that one file has both by name and by CRD; as a rule there is none.
    SELECT
        v.week_ending,
        v.tier,
        v.symbol,
        count(*) - count(DISTINCT twice.venue_id) AS venue_count
    FROM otc_venue_volume AS v
    INNER JOIN (FROM venues WHERE is_twice) AS twice
        USING (week_ending, tier, venue_class, mpid)
    WHERE v.week_ending BETWEEN first_week::DATE AND last_week::DATE
    GROUP BY v.week_ending, v.tier, v.symbol
),

by_tier AS (
    SELECT
        s.week_ending,
        s.tier,
        s.symbol,
        s.venue_count - coalesce(repeats.venue_count, 0) AS venue_count
    FROM otc_symbol_summary AS s
    LEFT JOIN repeats USING (week_ending, tier, symbol)
    WHERE s.week_ending BETWEEN first_week::DATE AND last_week::DATE
),

by_symbol AS (
    SELECT week_ending, symbol, max(venue_count) AS venue_count
    FROM by_tier
    GROUP BY week_ending, symbol
),

shared AS (
    -- Some hundred symbols a week stand in two tiers: their venues may be the same in both.
    SELECT
        v.week_ending,
        v.symbol,
        count(DISTINCT coalesce(ids.venue_id, v.mpid)) FILTER (NOT otc_is_bucket(v.mpid))
            AS venue_count
    FROM otc_venue_volume AS v
    INNER JOIN (
        SELECT week_ending, symbol
        FROM otc_symbol_summary
        WHERE week_ending BETWEEN first_week::DATE AND last_week::DATE
        GROUP BY week_ending, symbol
        HAVING count(*) > 1
    ) USING (week_ending, symbol)
    LEFT JOIN ids USING (venue_class, mpid)
    WHERE v.week_ending BETWEEN first_week::DATE AND last_week::DATE
    GROUP BY v.week_ending, v.symbol
),

issues AS (
    SELECT week_ending, tier, venue_count
    FROM by_tier
    UNION ALL
    SELECT week_ending, 'ALL' AS tier, coalesce(shared.venue_count, by_symbol.venue_count)
    FROM by_symbol
    LEFT JOIN shared USING (week_ending, symbol)
),

symbols AS (
    SELECT
        week_ending,
        tier,
        count(*) AS symbol_count,
        avg(venue_count) AS venues_per_symbol,
        100 * count(*) FILTER (venue_count = 1) / count(*) AS single_venue_symbols_pct
    FROM issues
    GROUP BY week_ending, tier
)

SELECT
    t.week_ending,
    t.tier,
    t.total_volume::DECIMAL(38, 6) AS total_volume,
    t.total_trades::BIGINT AS total_trades,
    t.ats_volume::DECIMAL(38, 6) AS ats_volume,
    t.non_ats_volume::DECIMAL(38, 6) AS non_ats_volume,
    CASE WHEN len(scopes.classes) = 2 AND t.total_volume > 0
        THEN 100 * t.ats_volume::DOUBLE / t.total_volume::DOUBLE
    END AS ats_share_pct,
    scopes.classes,
    t.venue_count,
    symbols.symbol_count,
    t.hhi,
    t.hhi_high,
    CASE WHEN t.hhi > 0 THEN 1 / t.hhi END AS effective_venues,
    symbols.venues_per_symbol,
    symbols.single_venue_symbols_pct,
    t.top_mpid,
    coalesce(names.venue_name, t.top_mpid) AS top_venue_name,
    CASE WHEN t.total_volume > 0
        THEN 100 * t.top_volume::DOUBLE / t.total_volume::DOUBLE
    END AS top_share_pct,
    CASE WHEN t.total_trades > 0
        THEN t.total_volume::DOUBLE / t.total_trades::DOUBLE
    END AS avg_trade_size,
    day.trading_days,
    weeks.is_complete
FROM totals AS t
INNER JOIN scopes USING (week_ending, tier)
INNER JOIN (
    SELECT week_ending, otc_is_complete(classes) AS is_complete
    FROM loaded
    GROUP BY week_ending
) AS weeks USING (week_ending)
INNER JOIN otc_weeks_calendar AS day USING (week_ending)
LEFT JOIN symbols USING (week_ending, tier)
LEFT JOIN names USING (week_ending, top_mpid)
