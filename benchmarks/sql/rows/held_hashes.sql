SELECT record_hash FROM otc_raw
