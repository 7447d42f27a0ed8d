-- otc_venue_share of the week in the table venue_volume.
WITH shares AS (
    SELECT
        week_ending,
        mpid,
        venue_class,
        max_by(venue_name, last_update_date::VARCHAR || venue_name) AS venue_name,
        sum(share_volume)::DECIMAL(28, 6) AS total_volume,
        sum(trade_count)::BIGINT AS total_trades,
        count(DISTINCT symbol) AS symbol_count,
        min(input_capture_id) AS input_min_capture_id,
        max(input_capture_id) AS input_max_capture_id
    FROM venue_volume
    GROUP BY week_ending, mpid, venue_class
), loaded AS (
    SELECT list(DISTINCT tier ORDER BY tier) AS tiers FROM venue_volume
)
SELECT
    week_ending,
    mpid,
    venue_class,
    venue_name,
    total_volume,
    total_trades,
    symbol_count,
    total_volume::DOUBLE / sum(total_volume) OVER ()::DOUBLE * 100 AS market_share_pct,
    total_volume::DOUBLE / sum(total_volume) OVER (PARTITION BY venue_class)::DOUBLE * 100
        AS class_share_pct,
    CASE
        WHEN mpid <> 'DE_MINIMIS'
        THEN rank() OVER (PARTITION BY mpid = 'DE_MINIMIS' ORDER BY total_volume DESC)
    END AS rank,
    tiers,
    ['ATS'] AS classes,
    len(tiers) = 3 AS is_complete,
    -- These weeks have no control totals.
    NULL::DECIMAL(28, 6) AS reported_total_volume,
    NULL::DOUBLE AS attributed_pct,
    NULL::BIGINT AS reported_rank,
    []::VARCHAR[] AS reported_tiers,
    $build_id AS capture_id,
    $build_id AS build_id,
    input_min_capture_id,
    input_max_capture_id
FROM shares, loaded
ORDER BY mpid
