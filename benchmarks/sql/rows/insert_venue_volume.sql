INSERT INTO otc_venue_volume (
    week_ending, tier, symbol, mpid, share_volume, trade_count, avg_trade_size, record_hash
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
