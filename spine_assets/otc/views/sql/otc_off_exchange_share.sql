WITH loaded AS (
    FROM otc_loaded_in(first_week, last_week)
),

weeks AS (
    SELECT
        week_ending,
        otc_is_complete(classes) AS is_complete,
        -- Of the two NMS tiers, how many have each class.
        count(*) FILTER (tier <> 'OTC' AND list_contains(classes, 'ATS')) AS ats_tiers,
        count(*) FILTER (tier <> 'OTC' AND list_contains(classes, 'NON_ATS')) AS non_ats_tiers
    FROM loaded
    GROUP BY week_ending
),

market AS (
    SELECT
        week_ending,
        sum(share_volume) AS volume,
        coalesce(sum(share_volume) FILTER (venue_class = 'ATS'), 0) AS ats_volume
    FROM otc_venue_volume
    WHERE week_ending BETWEEN first_week::DATE AND last_week::DATE AND tier <> 'OTC'
    GROUP BY week_ending
),

parts AS (
    SELECT
        week_ending,
        symbol,
        total_volume AS volume,
        ats_volume,
        len(classes) = 2 AS has_both,
        is_complete AS is_known,
        NULL::DECIMAL(38, 6) AS consolidated,
        false AS is_given
    FROM otc_symbol_week_in(first_week, last_week)
    UNION ALL
    SELECT
        week_ending,
        '*',
        volume,
        CASE WHEN ats_tiers > 0 THEN ats_volume END,
        ats_tiers = 2 AND non_ats_tiers = 2,
        -- Each class that is loaded is loaded of both tiers.
        ats_tiers IN (0, 2) AND non_ats_tiers IN (0, 2),
        NULL,
        false
    FROM market
    INNER JOIN weeks USING (week_ending)
    UNION ALL
    SELECT week_ending, symbol, NULL, NULL, NULL, NULL, share_volume, true
    FROM otc_consolidated_volume
    WHERE week_ending BETWEEN first_week::DATE AND last_week::DATE
),

rows AS (
    -- At most one row of FINRA and one of the files.
    SELECT
        week_ending,
        symbol,
        max(volume) AS volume,
        max(ats_volume) AS ats_volume,
        bool_or(has_both) AS has_both,
        bool_or(is_known) AS is_known,
        max(consolidated) AS consolidated,
        bool_or(is_given) AS is_given
    FROM parts
    GROUP BY week_ending, symbol
),

judged AS (
    SELECT
        r.*,
        coalesce(w.is_complete, false) AS is_complete,
        CASE
            WHEN w.week_ending IS NULL THEN 'not loaded'
            WHEN NOT r.is_given THEN 'no consolidated volume'
            WHEN r.consolidated IS NULL THEN 'trading days missing'
            WHEN NOT coalesce(r.is_known, w.is_complete) THEN 'incomplete week'
            WHEN r.volume IS NULL THEN 'no row'
            WHEN r.consolidated < r.volume THEN 'consolidated below off-exchange'
            WHEN r.consolidated = 0 THEN 'no trading'
            WHEN NOT r.has_both THEN 'one class loaded'
            ELSE 'complete'
        END AS state
    FROM rows AS r
    LEFT JOIN weeks AS w USING (week_ending)
)

SELECT
    week_ending,
    symbol,
    CASE WHEN has_both THEN volume END::DECIMAL(38, 6) AS off_exchange_shares,
    ats_volume::DECIMAL(38, 6) AS ats_shares,
    consolidated::DECIMAL(38, 6) AS consolidated_shares,
    CASE WHEN state = 'complete'
        THEN volume::DOUBLE / consolidated::DOUBLE
    END AS off_exchange_share,
    CASE WHEN state IN ('complete', 'one class loaded')
        THEN ats_volume::DOUBLE / consolidated::DOUBLE
    END AS ats_share,
    state,
    is_complete
FROM judged
