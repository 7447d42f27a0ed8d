-- Views upon the tables' views.
CREATE OR REPLACE VIEW otc_raw_current AS
SELECT raw.*
FROM otc_raw AS raw
SEMI JOIN (
    -- The greatest (latest update, captured, content) of each week, tier and class counts.
    SELECT arg_max(capture_id, (last_update_date, captured_at, capture_id)) AS capture_id
    FROM otc_raw
    GROUP BY week_ending, tier, venue_class
) AS chosen ON chosen.capture_id = raw.capture_id;
