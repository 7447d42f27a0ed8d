SELECT tier, symbol, mpid, share_volume, trade_count
FROM otc_venue_volume
WHERE week_ending = ?
