-- Views upon the tables' views.
CREATE OR REPLACE VIEW otc_raw_current AS
WITH greatest_capture AS (
    -- Tiers are compared by the digit in them, however they were spelled: "NMS Tier 1" and
    -- "T1" are one tier, OTC and OTCE have none.
    SELECT
        week_ending,
        regexp_extract(tier, '[12]') AS tier_digit,
        venue_class,
        arg_max(capture_id, (last_update_date, captured_at, capture_id)) AS capture_id
    FROM otc_raw
    GROUP BY ALL
),

pinned AS (
    SELECT
        week_ending,
        regexp_extract(tier, '[12]') AS tier_digit,
        venue_class,
        arg_max(capture_id, pinned_at) AS capture_id
    FROM otc_pins
    GROUP BY ALL
),

chosen AS (
    -- A blank pin is a release; a pin whose capture is gone counts for nothing.
    SELECT
        g.week_ending,
        g.tier_digit,
        g.venue_class,
        coalesce(p.capture_id, g.capture_id) AS capture_id
    FROM greatest_capture AS g
    LEFT JOIN (
        SELECT * FROM pinned SEMI JOIN otc_raw USING (week_ending, capture_id)
    ) AS p USING (week_ending, tier_digit, venue_class)
)

SELECT raw.*
FROM otc_raw AS raw
SEMI JOIN chosen
    ON chosen.week_ending = raw.week_ending
    AND chosen.tier_digit = regexp_extract(raw.tier, '[12]')
    AND chosen.venue_class = raw.venue_class
    AND chosen.capture_id = raw.capture_id;
