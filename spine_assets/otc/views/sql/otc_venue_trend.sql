-- The weeks that the window of each week reaches: 35 days back.
WITH loaded AS (
    -- A week counts where its venues are built too.
    SELECT *
    FROM otc_loaded_in(first_week::DATE - 35, last_week)
    SEMI JOIN (
        SELECT week_ending
        FROM otc_venue_share
        WHERE week_ending BETWEEN first_week::DATE - 35 AND last_week::DATE
    ) USING (week_ending)
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

windows AS (
    SELECT here.week_ending, count(*) AS window_weeks_loaded
    FROM scopes AS here
    INNER JOIN scopes AS there
        ON here.scope = there.scope
        AND there.week_ending BETWEEN here.week_ending - 35 AND here.week_ending
    GROUP BY here.week_ending
),

pairs AS (
    SELECT
        week_ending,
        scope,
        is_complete,
        CASE WHEN lag(week_ending) OVER by_week >= week_ending - 28
            THEN lag(week_ending) OVER by_week
        END AS prior_week_ending,
        prior_week_ending IS NOT NULL AND lag(scope) OVER by_week = scope AS is_comparable
    FROM scopes
    WINDOW by_week AS (ORDER BY week_ending)
),

firms AS (
    -- A week may have a firm by its name in one file and by its CRD in another: it is one venue.
    SELECT
        s.week_ending,
        coalesce(ids.venue_id, s.mpid) AS mpid,
        s.venue_class,
        -- The row with the CRD has the name that FINRA keeps for it.
        min_by(s.venue_name, (ids.venue_id IS NOT NULL, s.mpid)) AS venue_name,
        sum(s.total_volume)::DECIMAL(28, 6) AS total_volume,
        -- One of the rows of a firm has FINRA's total.
        max(s.reported_total_volume) AS reported_total_volume,
        max(s.reported_rank) AS reported_rank
    FROM otc_venue_share AS s
    LEFT JOIN otc_venue_ids_in(first_week::DATE - 35, last_week) AS ids USING (venue_class, mpid)
    WHERE s.week_ending BETWEEN first_week::DATE - 35 AND last_week::DATE
    GROUP BY s.week_ending, coalesce(ids.venue_id, s.mpid), s.venue_class
),

shares AS (
    SELECT
        *,
        sum(total_volume) OVER (PARTITION BY week_ending) AS week_volume,
        sum(total_volume) OVER (PARTITION BY week_ending, venue_class) AS class_volume,
        CASE WHEN week_volume > 0
            THEN total_volume::DOUBLE / week_volume::DOUBLE * 100
        END AS market_share_pct,
        CASE WHEN class_volume > 0
            THEN total_volume::DOUBLE / class_volume::DOUBLE * 100
        END AS class_share_pct,
        CASE WHEN NOT otc_is_bucket(mpid)
            -- Buckets come last, so that no venue loses a rank to one.
            THEN rank() OVER (
                PARTITION BY week_ending
                ORDER BY otc_is_bucket(mpid), total_volume DESC
            )
        END AS rank
    FROM firms
),

venues AS (
    -- Weeks of another scope are another partition, so that none is in the window.
    SELECT
        v.*,
        p.prior_week_ending,
        p.is_comparable,
        p.is_complete,
        count(*) OVER six_weeks AS window_weeks_traded,
        avg(v.class_share_pct) OVER six_weeks AS avg_6w_class_share_pct
    FROM shares AS v
    INNER JOIN pairs AS p USING (week_ending)
    WINDOW six_weeks AS (
        PARTITION BY v.mpid, p.scope
        ORDER BY v.week_ending RANGE BETWEEN INTERVAL 35 DAYS PRECEDING AND CURRENT ROW
    )
)

SELECT
    v.week_ending,
    v.mpid,
    v.venue_class,
    v.venue_name,
    v.total_volume,
    v.market_share_pct,
    v.class_share_pct,
    v.rank,
    v.reported_total_volume,
    CASE
        WHEN otc_is_bucket(v.mpid) THEN NULL
        WHEN count(v.reported_rank) OVER in_class > 0 THEN v.reported_rank
        ELSE rank() OVER (
            PARTITION BY v.week_ending, v.venue_class
            ORDER BY otc_is_bucket(v.mpid), v.total_volume DESC
        )
    END AS class_rank,
    CASE WHEN count(v.reported_rank) OVER in_class > 0 THEN 'FINRA' ELSE 'rows' END
        AS class_rank_basis,
    v.prior_week_ending,
    prior.market_share_pct AS prior_market_share_pct,
    prior.class_share_pct AS prior_class_share_pct,
    prior.rank AS prior_rank,
    v.market_share_pct - prior.market_share_pct AS share_change_points,
    v.class_share_pct - prior.class_share_pct AS class_share_change_points,
    prior.rank - v.rank AS rank_change,
    w.window_weeks_loaded,
    v.window_weeks_traded,
    v.avg_6w_class_share_pct,
    CASE WHEN v.is_comparable THEN prior.mpid IS NULL END AS is_new,
    v.is_comparable,
    day.trading_days,
    v.is_complete
FROM venues AS v
INNER JOIN windows AS w USING (week_ending)
INNER JOIN otc_weeks_calendar AS day USING (week_ending)
LEFT JOIN venues AS prior
    ON prior.week_ending = v.prior_week_ending AND prior.mpid = v.mpid AND v.is_comparable
WHERE v.week_ending BETWEEN first_week::DATE AND last_week::DATE
WINDOW in_class AS (PARTITION BY v.week_ending, v.venue_class)
