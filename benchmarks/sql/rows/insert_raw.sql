INSERT INTO otc_raw (
    batch_id, record_hash, week_ending, tier, symbol, issue_name, venue_name, mpid,
    share_volume, trade_count, source_file
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
