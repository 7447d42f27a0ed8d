WITH weeks AS (
    SELECT symbol, prior_week_ending, is_comparable
    FROM otc_symbol_week_in($week, $week)
    WHERE list_contains($symbols, symbol)
),

venues AS (
    SELECT
        v.week_ending,
        v.symbol,
        coalesce(ids.venue_id, v.mpid) AS venue_id,
        v.venue_class,
        -- The row with the CRD has the name that FINRA keeps for it.
        min_by(v.venue_name, (ids.venue_id IS NOT NULL, v.mpid)) AS venue_name,
        sum(v.share_volume) AS share_volume,
        sum(v.trade_count) AS trade_count
    FROM otc_venue_volume AS v
    LEFT JOIN otc_venue_ids_in($week::DATE - 28, $week) AS ids USING (venue_class, mpid)
    WHERE list_contains($symbols, v.symbol)
        AND v.week_ending BETWEEN $week::DATE - 28 AND $week
    GROUP BY v.week_ending, v.symbol, coalesce(ids.venue_id, v.mpid), v.venue_class
),

shares AS (
    SELECT
        *,
        CASE WHEN sum(share_volume) OVER of_week > 0
            THEN 100 * share_volume::DOUBLE / (sum(share_volume) OVER of_week)::DOUBLE
        END AS share_pct
    FROM venues
    WINDOW of_week AS (PARTITION BY week_ending, symbol)
)

SELECT
    now.week_ending,
    now.symbol,
    CASE WHEN NOT otc_is_bucket(now.venue_id)
        THEN rank() OVER (
            PARTITION BY now.symbol, otc_is_bucket(now.venue_id) ORDER BY now.share_volume DESC
        )
    END AS rank,
    now.venue_id,
    now.venue_name,
    now.venue_class,
    now.share_volume,
    now.trade_count,
    now.share_pct,
    CASE WHEN now.trade_count > 0
        THEN now.share_volume::DOUBLE / now.trade_count::DOUBLE
    END AS avg_trade_size,
    weeks.prior_week_ending,
    CASE WHEN weeks.is_comparable THEN before.share_volume END AS prior_volume,
    CASE WHEN weeks.is_comparable THEN now.share_pct - before.share_pct END AS share_change_points,
    weeks.is_comparable
FROM shares AS now
INNER JOIN weeks ON weeks.symbol = now.symbol
LEFT JOIN shares AS before
    ON
        before.week_ending = weeks.prior_week_ending
        AND before.symbol = now.symbol
        AND before.venue_id = now.venue_id
        AND before.venue_class = now.venue_class
WHERE now.week_ending = $week
ORDER BY list_position($symbols, now.symbol), now.share_volume DESC, now.venue_id
