-- otc_raw of one delivered file. DuckDB has no xxh3; md5 is its nearest hash of like length.
SELECT
    $capture_id AS capture_id,
    $week::DATE AS week_ending,
    tier,
    CASE tier
        WHEN 'NMS Tier 1' THEN 'NMS_TIER_1'
        WHEN 'NMS Tier 2' THEN 'NMS_TIER_2'
        ELSE tier
    END AS tier_name,
    symbol,
    issue_name,
    venue_name,
    mpid,
    NULL::VARCHAR AS firm_crd,
    'ATS' AS venue_class,
    NULL::VARCHAR AS product_type,
    NULL::VARCHAR AS summary_type,
    shares::DECIMAL(28, 6) AS share_volume,
    trades::BIGINT AS trade_count,
    NULL::DECIMAL(28, 6) AS notional,
    updated::DATE AS last_update_date,
    NULL::DATE AS initial_published_date,
    NULL::DATE AS last_reported_date,
    NULL::VARCHAR AS extra,
    NULL::VARCHAR AS notes,
    md5(concat_ws('|', tier, symbol, issue_name, venue_name, mpid, shares, trades, updated))
        AS record_hash,
    $name AS source_file,
    row_number() OVER () + 1 AS source_line,
    $now::TIMESTAMP AS captured_at
FROM read_csv(
    $path,
    delim = '|',
    quote = '',
    escape = '',
    header = true,
    auto_detect = false,
    columns = {
        'tier': 'VARCHAR',
        'symbol': 'VARCHAR',
        'issue_name': 'VARCHAR',
        'venue_name': 'VARCHAR',
        'mpid': 'VARCHAR',
        'shares': 'VARCHAR',
        'trades': 'VARCHAR',
        'updated': 'VARCHAR'
    }
)
