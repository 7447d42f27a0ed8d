FROM otc_trace($symbol, $week)
WHERE $venue_id IS NULL OR mpid = $venue_id
ORDER BY venue_class, share_volume DESC, source_file, source_line
