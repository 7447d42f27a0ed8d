FROM otc_restatements
WHERE week_ending = $week
ORDER BY tier, venue_class, step
