INSERT INTO otc_venue_volume (
    week_ending, tier, symbol, mpid, share_volume, trade_count, avg_trade_size, record_hash
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
-- Two issues of one key are added up, as in the project.
ON CONFLICT DO UPDATE SET
    share_volume = share_volume + excluded.share_volume,
    trade_count = trade_count + excluded.trade_count,
    avg_trade_size = 1.0 * (share_volume + excluded.share_volume)
    / nullif(trade_count + excluded.trade_count, 0)
