-- The earlier week is at most 28 days back. Its rows are joined by the week itself before they are
-- added up: so DuckDB reads those two weeks alone where a query filters the view by a week.
WITH loaded AS (
    FROM otc_loaded_in(first_week::DATE - 28, last_week)
),

scopes AS (
    -- What a week is of: weeks of one scope have the same tiers and classes.
    SELECT
        week_ending,
        list({'tier': tier, 'classes': classes} ORDER BY tier)::VARCHAR AS scope,
        otc_is_complete(classes) AS is_complete
    FROM loaded
    GROUP BY week_ending
),

pairs AS (
    SELECT
        week_ending,
        is_complete,
        CASE WHEN lag(week_ending) OVER by_week >= week_ending - 28
            THEN lag(week_ending) OVER by_week
        END AS prior_week_ending,
        prior_week_ending IS NOT NULL AND lag(scope) OVER by_week = scope AS is_comparable
    FROM scopes
    WINDOW by_week AS (ORDER BY week_ending)
),

venues AS (
    -- A firm by its name in one file and by its CRD in another is one venue.
    SELECT
        v.week_ending,
        v.symbol,
        coalesce(ids.venue_id, v.mpid) AS venue_id,
        sum(v.share_volume) AS volume
    FROM otc_venue_volume AS v
    LEFT JOIN otc_venue_ids_in(first_week, last_week) AS ids USING (venue_class, mpid)
    WHERE v.week_ending BETWEEN first_week::DATE AND last_week::DATE
    GROUP BY v.week_ending, v.symbol, coalesce(ids.venue_id, v.mpid)
),

by_tier AS (
    SELECT
        week_ending,
        symbol,
        tier,
        sum(share_volume) AS volume,
        sum(trade_count) AS trades,
        sum(share_volume) FILTER (venue_class = 'ATS') AS ats_volume,
        sum(share_volume) FILTER (venue_class = 'NON_ATS') AS non_ats_volume,
        max({'day': last_update_date, 'name': issue_name}) AS latest
    FROM otc_venue_volume
    WHERE week_ending BETWEEN first_week::DATE AND last_week::DATE
    GROUP BY week_ending, symbol, tier
),

before AS (
    SELECT p.week_ending, v.symbol, sum(v.share_volume) AS prior_volume
    FROM otc_venue_volume AS v
    INNER JOIN pairs AS p ON v.week_ending = p.prior_week_ending
    WHERE
        p.is_comparable
        AND v.week_ending BETWEEN first_week::DATE - 28 AND last_week::DATE
    GROUP BY p.week_ending, v.symbol
),

parts AS (
    -- Not joined: DuckDB 2.0.0 ends some joins of them in an internal error (dict-surviving join).
    SELECT
        t.*,
        list_contains(loaded.classes, 'ATS') AS has_ats,
        list_contains(loaded.classes, 'NON_ATS') AS has_non_ats,
        NULL::VARCHAR AS venue_id,
        NULL AS venue_volume,
        NULL AS prior_volume
    FROM by_tier AS t
    INNER JOIN loaded USING (week_ending, tier)
    UNION ALL BY NAME
    SELECT week_ending, symbol, venue_id, volume AS venue_volume
    FROM venues
    UNION ALL BY NAME
    FROM before
),

figures AS (
    SELECT
        week_ending,
        symbol,
        max(latest) AS latest,
        list(tier ORDER BY tier) FILTER (tier IS NOT NULL) AS tiers,
        -- Classes that each of its tiers has.
        CASE WHEN bool_and(has_ats) THEN ['ATS'] ELSE [] END
        || CASE WHEN bool_and(has_non_ats) THEN ['NON_ATS'] ELSE [] END AS classes,
        sum(volume) AS total_volume,
        sum(trades) AS total_trades,
        sum(ats_volume) AS ats_volume,
        sum(non_ats_volume) AS non_ats_volume,
        count(*) FILTER (NOT otc_is_bucket(venue_id)) AS venue_count,
        min_by(venue_id, (-venue_volume, venue_id)) FILTER (NOT otc_is_bucket(venue_id))
            AS top_mpid,
        max(venue_volume) FILTER (NOT otc_is_bucket(venue_id)) AS top_volume,
        otc_hhi(venue_volume, venue_id) AS hhi,
        max(prior_volume) AS prior_volume
    FROM parts
    GROUP BY week_ending, symbol
    HAVING count(tier) > 0
)

SELECT
    c.week_ending,
    c.symbol,
    c.latest.name AS issue_name,
    c.tiers,
    c.classes,
    c.total_volume::DECIMAL(38, 6) AS total_volume,
    c.total_trades::BIGINT AS total_trades,
    CASE WHEN list_contains(c.classes, 'ATS')
        THEN coalesce(c.ats_volume, 0)::DECIMAL(38, 6)
    END AS ats_volume,
    CASE WHEN list_contains(c.classes, 'NON_ATS')
        THEN coalesce(c.non_ats_volume, 0)::DECIMAL(38, 6)
    END AS non_ats_volume,
    CASE WHEN len(c.classes) = 2 AND c.total_volume > 0
        THEN 100 * coalesce(c.ats_volume, 0)::DOUBLE / c.total_volume::DOUBLE
    END AS ats_share_pct,
    CASE WHEN c.total_trades > 0
        THEN c.total_volume::DOUBLE / c.total_trades::DOUBLE
    END AS avg_trade_size,
    c.venue_count,
    c.top_mpid,
    CASE WHEN c.total_volume > 0
        THEN 100 * c.top_volume::DOUBLE / c.total_volume::DOUBLE
    END AS top_share_pct,
    c.hhi,
    pairs.prior_week_ending,
    c.prior_volume::DECIMAL(38, 6) AS prior_volume,
    (c.total_volume - c.prior_volume)::DECIMAL(38, 6) AS volume_change,
    CASE WHEN c.prior_volume > 0
        THEN 100 * (c.total_volume - c.prior_volume)::DOUBLE / c.prior_volume::DOUBLE
    END AS volume_change_pct,
    pairs.is_comparable,
    day.trading_days,
    pairs.is_complete
FROM figures AS c
INNER JOIN pairs USING (week_ending)
INNER JOIN otc_weeks_calendar AS day USING (week_ending)
WHERE c.week_ending BETWEEN first_week::DATE AND last_week::DATE
