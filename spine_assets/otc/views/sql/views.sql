-- Views and macros over the views of tables.

-- Microseconds of a moment, whatever its type: a TIMESTAMPTZ or a text with an offset or zone
-- is that instant, a TIMESTAMP, DATE or text without one is UTC. Never the session's zone.
CREATE OR REPLACE MACRO otc_moment_us(ts) AS
    CASE
        WHEN regexp_matches(ts::VARCHAR, ':\d\d(\.\d+)? ?([A-Za-z]|[+-]\d)')
            THEN epoch_us(ts::VARCHAR::TIMESTAMPTZ)
        ELSE epoch_us(ts::VARCHAR::TIMESTAMP)
    END;

-- Rows of the captures that were current at a moment, for every week: the rule of `otc.captures.model`
-- over the captures and pins up to then.
CREATE OR REPLACE MACRO otc_raw_as_of(ts) AS TABLE
WITH greatest_capture AS (
    -- Tiers are compared by the digit in them, however they were spelled: "NMS Tier 1" and
    -- "T1" are one tier, OTC and OTCE have none.
    SELECT
        week_ending,
        regexp_extract(tier, '[12]') AS tier_digit,
        venue_class,
        arg_max(capture_id, (last_update_date, captured_at, capture_id)) AS capture_id
    FROM otc_raw
    WHERE epoch_us(captured_at) <= otc_moment_us(ts)
    GROUP BY ALL
),

pinned AS (
    SELECT
        week_ending,
        regexp_extract(tier, '[12]') AS tier_digit,
        venue_class,
        arg_max(capture_id, (pinned_at, capture_id)) AS capture_id
    FROM otc_pins
    WHERE epoch_us(pinned_at) <= otc_moment_us(ts)
    GROUP BY ALL
),

chosen AS (
    -- A blank pin is a release; a pin whose capture is missing has no effect.
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

-- First `chosen`, then the rows: DuckDB lists the files of each separately, and a capture that
-- arrives in between would otherwise be chosen without its rows being listed. `chosen` has one row
-- per week, tier and class, so the join repeats no row.
SELECT raw.*
FROM chosen
INNER JOIN otc_raw AS raw
    ON chosen.week_ending = raw.week_ending
    AND chosen.tier_digit = regexp_extract(raw.tier, '[12]')
    AND chosen.venue_class = raw.venue_class
    AND chosen.capture_id = raw.capture_id;

-- The rows of the current captures: as of the end of time.
CREATE OR REPLACE VIEW otc_raw_current AS
FROM otc_raw_as_of(TIMESTAMP '9999-12-31 00:00:00');
