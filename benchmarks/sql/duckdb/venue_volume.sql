-- otc_venue_volume of the week in the table raw, with the capture that each row comes from.
SELECT
    week_ending,
    tier_name AS tier,
    symbol,
    venue_class,
    mpid,
    CASE
        WHEN starts_with(venue_name, mpid || ' ') THEN ltrim(venue_name[length(mpid) + 2:])
        ELSE venue_name
    END AS venue_name,
    issue_name,
    share_volume,
    trade_count,
    CASE WHEN trade_count > 0 THEN share_volume::DOUBLE / trade_count END AS avg_trade_size,
    1::BIGINT AS issue_count,
    last_update_date,
    record_hash,
    $build_id AS capture_id,
    $build_id AS build_id,
    capture_id AS input_capture_id
FROM raw
ORDER BY symbol, 2, venue_class, mpid
