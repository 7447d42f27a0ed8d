-- otc_symbol_summary of the week in the table venue_volume.
SELECT
    week_ending,
    tier,
    symbol,
    sum(share_volume)::DECIMAL(28, 6) AS total_volume,
    sum(trade_count)::BIGINT AS total_trades,
    count(*) FILTER (mpid <> 'DE_MINIMIS') AS venue_count,
    CASE WHEN total_trades > 0 THEN total_volume::DOUBLE / total_trades END AS avg_trade_size,
    coalesce(sum(share_volume) FILTER (venue_class = 'ATS'), 0)::DECIMAL(28, 6) AS ats_volume,
    sum(share_volume) FILTER (venue_class <> 'ATS')::DECIMAL(28, 6) AS non_ats_volume,
    ['ATS'] AS classes,
    first(mpid ORDER BY share_volume DESC, mpid) FILTER (mpid <> 'DE_MINIMIS') AS top_mpid,
    CASE
        WHEN total_volume > 0
        THEN max(share_volume) FILTER (mpid <> 'DE_MINIMIS')::DOUBLE / total_volume::DOUBLE * 100
    END AS top_share_pct,
    CASE
        WHEN total_volume > 0
        THEN coalesce(sum(share_volume::DOUBLE ** 2) FILTER (mpid <> 'DE_MINIMIS'), 0)
            / total_volume::DOUBLE ** 2
    END AS hhi,
    CASE
        WHEN total_volume > 0
        THEN sum(share_volume::DOUBLE ** 2) / total_volume::DOUBLE ** 2
    END AS hhi_high,
    $build_id AS capture_id,
    $build_id AS build_id,
    min(input_capture_id) AS input_min_capture_id,
    max(input_capture_id) AS input_max_capture_id
FROM venue_volume
GROUP BY week_ending, tier, symbol
ORDER BY symbol, tier
