DELETE FROM otc_venue_share WHERE week_ending = ?
