-- The earlier week is at most 28 days back. Its rows are joined by the week itself before they are
-- grouped: so DuckDB reads those two weeks alone where a query filters the view by a week.
WITH ids AS MATERIALIZED (
    FROM otc_venue_ids_in(first_week::DATE - 28, last_week)
),

loaded AS (
    SELECT week_ending, tier, unnest(classes) AS venue_class
    FROM otc_loaded_in(first_week::DATE - 28, last_week)
    -- More than the tiers and classes of the weeks of 60 years: DuckDB, which cannot know how few
    -- rows these are, then joins by them and reads their files alone.
    LIMIT 20000
),

pairs AS (
    -- A share is within tier and class, so the tier's other class does not matter.
    SELECT
        week_ending,
        tier,
        venue_class,
        CASE WHEN lag(week_ending) OVER by_week >= week_ending - 28
            THEN lag(week_ending) OVER by_week
        END AS prior_week_ending
    FROM loaded
    WINDOW by_week AS (PARTITION BY tier, venue_class ORDER BY week_ending)
),

named AS (
    SELECT
        week_ending,
        FALSE AS is_prior,
        tier,
        venue_class,
        mpid,
        venue_name,
        sum(share_volume) AS volume,
        sum(trade_count) AS trades,
        count(*) AS symbols,
        max(last_update_date) AS updated
    FROM otc_venue_volume
    WHERE week_ending BETWEEN first_week::DATE AND last_week::DATE
    GROUP BY week_ending, tier, venue_class, mpid, venue_name
    UNION ALL BY NAME
    SELECT
        p.week_ending,
        TRUE AS is_prior,
        p.tier,
        p.venue_class,
        v.mpid,
        v.venue_name,
        sum(v.share_volume) AS volume,
        max(v.last_update_date) AS updated
    FROM otc_venue_volume AS v
    INNER JOIN pairs AS p
        ON v.week_ending = p.prior_week_ending
        AND v.tier = p.tier
        AND v.venue_class = p.venue_class
    WHERE
        p.week_ending BETWEEN first_week::DATE AND last_week::DATE
        AND v.week_ending BETWEEN first_week::DATE - 28 AND last_week::DATE
    GROUP BY p.week_ending, p.tier, p.venue_class, v.mpid, v.venue_name
),

identified AS (
    -- A file may have a firm by its name in some rows and by its CRD in others: it is one venue.
    SELECT n.*, coalesce(ids.venue_id, n.mpid) AS venue_id
    FROM named AS n
    LEFT JOIN ids USING (venue_class, mpid)
),

venues AS (
    SELECT
        week_ending,
        is_prior,
        tier,
        venue_class,
        venue_id AS mpid,
        -- A venue may be renamed between its rows: the latest name is used.
        max_by(venue_name, (updated, venue_name)) AS venue_name,
        sum(volume)::DECIMAL(38, 6) AS share_volume,
        sum(trades)::BIGINT AS trade_count,
        sum(symbols)::BIGINT AS row_count
    FROM identified
    GROUP BY week_ending, is_prior, tier, venue_class, venue_id
),

counted AS (
    -- Symbols of the firms that files have in both ways, each once; as a rule there is none.
    SELECT
        v.week_ending,
        v.tier,
        v.venue_class,
        i.venue_id AS mpid,
        count(DISTINCT v.symbol) AS symbol_count
    FROM otc_venue_volume AS v
    INNER JOIN (
        SELECT venue_class, mpid, venue_id FROM ids
        UNION
        SELECT venue_class, venue_id AS mpid, venue_id FROM ids
    ) AS i USING (venue_class, mpid)
    WHERE v.week_ending BETWEEN first_week::DATE AND last_week::DATE
    GROUP BY ALL
),

scaled AS (
    SELECT
        *,
        sum(share_volume) OVER (PARTITION BY week_ending, is_prior, tier, venue_class) AS class_volume,
        sum(share_volume) OVER (PARTITION BY week_ending, is_prior, tier) AS tier_volume,
        CASE WHEN class_volume > 0
            THEN 100 * share_volume::DOUBLE / class_volume::DOUBLE
        END AS tier_class_share_pct,
        CASE WHEN tier_volume > 0
            THEN 100 * share_volume::DOUBLE / tier_volume::DOUBLE
        END AS tier_share_pct,
        CASE WHEN NOT otc_is_bucket(mpid)
            THEN rank() OVER (
                PARTITION BY week_ending, is_prior, tier, venue_class
                -- Buckets come last, so that no venue loses a rank to one.
                ORDER BY otc_is_bucket(mpid), share_volume DESC
            )
        END AS rank
    FROM venues
)

SELECT
    v.week_ending,
    v.tier,
    v.venue_class,
    v.mpid,
    v.venue_name,
    v.share_volume,
    v.trade_count,
    coalesce(c.symbol_count, v.row_count) AS symbol_count,
    v.tier_class_share_pct,
    v.tier_share_pct,
    v.rank,
    CASE WHEN v.trade_count > 0
        THEN v.share_volume::DOUBLE / v.trade_count
    END AS avg_trade_size,
    p.prior_week_ending,
    prior.tier_class_share_pct AS prior_tier_class_share_pct,
    prior.rank AS prior_rank,
    v.tier_class_share_pct - prior.tier_class_share_pct AS tier_class_share_change_points,
    prior.rank - v.rank AS rank_change,
    CASE WHEN p.prior_week_ending IS NOT NULL THEN prior.mpid IS NULL END AS is_new,
    p.prior_week_ending IS NOT NULL AS is_comparable,
    day.trading_days,
    weeks.is_complete
FROM scaled AS v
INNER JOIN pairs AS p USING (week_ending, tier, venue_class)
INNER JOIN (
    SELECT week_ending, otc_is_complete(classes) AS is_complete
    FROM (
        SELECT week_ending, tier, list(venue_class) AS classes
        FROM loaded
        GROUP BY week_ending, tier
    )
    GROUP BY week_ending
) AS weeks USING (week_ending)
INNER JOIN otc_weeks_calendar AS day USING (week_ending)
LEFT JOIN scaled AS prior
    ON prior.is_prior
    AND prior.week_ending = v.week_ending
    AND prior.tier = v.tier
    AND prior.venue_class = v.venue_class
    AND prior.mpid = v.mpid
LEFT JOIN counted AS c
    ON c.week_ending = v.week_ending
    AND c.tier = v.tier
    AND c.venue_class = v.venue_class
    AND c.mpid = v.mpid
WHERE NOT v.is_prior
