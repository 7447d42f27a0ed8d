WITH ids AS (
    FROM otc_venue_ids_in($week, $week)
),

traded AS (
    SELECT
        coalesce(ids.venue_id, v.mpid) AS venue_id,
        v.symbol,
        max((v.last_update_date, v.issue_name))[2] AS issue_name,
        sum(v.share_volume) AS share_volume,
        sum(v.trade_count) AS trade_count
    FROM otc_venue_volume AS v
    LEFT JOIN ids USING (venue_class, mpid)
    WHERE v.week_ending = $week AND list_contains($venue_ids, coalesce(ids.venue_id, v.mpid))
    GROUP BY coalesce(ids.venue_id, v.mpid), v.symbol
)

SELECT
    $week::DATE AS week_ending,
    rank() OVER (PARTITION BY t.venue_id ORDER BY t.share_volume DESC) AS rank,
    t.*,
    CASE WHEN sum(t.share_volume) OVER of_venue > 0
        THEN 100 * t.share_volume::DOUBLE / (sum(t.share_volume) OVER of_venue)::DOUBLE
    END AS venue_share_pct,
    CASE WHEN w.total_volume > 0
        THEN 100 * t.share_volume::DOUBLE / w.total_volume::DOUBLE
    END AS share_pct,
    CASE WHEN t.trade_count > 0
        THEN t.share_volume::DOUBLE / t.trade_count::DOUBLE
    END AS avg_trade_size
FROM traded AS t
INNER JOIN (
    SELECT symbol, sum(total_volume) AS total_volume
    FROM otc_symbol_summary
    WHERE week_ending = $week
    GROUP BY symbol
) AS w USING (symbol)
WINDOW of_venue AS (PARTITION BY t.venue_id)
QUALIFY $top::BIGINT IS NULL OR row_number() OVER (
    PARTITION BY t.venue_id ORDER BY t.share_volume DESC, t.symbol
) <= $top
ORDER BY list_position($venue_ids, t.venue_id), rank, t.symbol
