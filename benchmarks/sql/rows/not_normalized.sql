SELECT week_ending, tier, symbol, mpid, share_volume, trade_count, record_hash
FROM otc_raw
WHERE record_hash NOT IN (SELECT record_hash FROM otc_venue_volume)
