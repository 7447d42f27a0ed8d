-- Views and macros over the views of tables.

-- Microseconds of a moment, whatever its type: a TIMESTAMPTZ or a text with an offset or zone
-- is that instant, a TIMESTAMP, DATE or text without one is UTC. Never the session's zone.
CREATE OR REPLACE MACRO otc_moment_us(ts) AS
    CASE
        WHEN regexp_matches(ts::VARCHAR, ':\d\d(\.\d+)? ?([A-Za-z]|[+-]\d)')
            THEN epoch_us(ts::VARCHAR::TIMESTAMPTZ)
        ELSE epoch_us(ts::VARCHAR::TIMESTAMP)
    END;

-- The capture of each week, tier and class that was current at a moment: the rule of
-- `otc.captures.current` over the captures, pins and retractions up to then.
CREATE OR REPLACE MACRO otc_captures_as_of(ts, first_week, last_week) AS TABLE
WITH known AS (
    -- Tiers are compared by the digit in them, however they were spelled: "NMS Tier 1" and
    -- "T1" are one tier, OTC and OTCE have none.
    SELECT
        week_ending,
        regexp_extract(tier, '[12]') AS tier_digit,
        venue_class,
        capture_id,
        max((last_update_date, captured_at, capture_id)) AS rank
    FROM otc_raw
    WHERE
        week_ending BETWEEN first_week::DATE AND last_week::DATE
        AND epoch_us(captured_at) <= otc_moment_us(ts)
    GROUP BY ALL
),

decided AS (
    -- Pins of earlier versions have no action: a blank one is a release.
    SELECT
        week_ending,
        regexp_extract(tier, '[12]') AS tier_digit,
        venue_class,
        capture_id,
        coalesce(action, CASE WHEN capture_id = '' THEN 'release' ELSE 'pin' END) AS made,
        (pinned_at, made = 'pin', capture_id) AS moment
    FROM otc_pins
    WHERE
        week_ending BETWEEN first_week::DATE AND last_week::DATE
        AND epoch_us(pinned_at) <= otc_moment_us(ts)
),

standing AS (
    SELECT known.*
    FROM known
    ANTI JOIN (
        SELECT week_ending, tier_digit, venue_class, capture_id
        FROM decided
        WHERE made <> 'release'
        GROUP BY ALL
        HAVING arg_max(made, moment) = 'retract'
    ) USING (week_ending, tier_digit, venue_class, capture_id)
),

several AS (
    SELECT week_ending, tier_digit, venue_class
    FROM standing
    GROUP BY ALL
    HAVING count(*) > 1
),

fullness AS (
    -- Only where there is a choice: it needs every row of these captures.
    SELECT
        week_ending,
        regexp_extract(tier, '[12]') AS tier_digit,
        venue_class,
        capture_id,
        count(DISTINCT (symbol, coalesce(otc_given(mpid), otc_name_key(venue_name), ''))) AS keys
    FROM otc_raw
    WHERE week_ending BETWEEN first_week::DATE AND last_week::DATE
    GROUP BY ALL
),

candidates AS (
    SELECT standing.*
    FROM standing
    LEFT JOIN (
        SELECT * FROM fullness SEMI JOIN several USING (week_ending, tier_digit, venue_class)
    ) AS f USING (week_ending, tier_digit, venue_class, capture_id)
    QUALIFY
        10 * coalesce(f.keys, 0)
        >= 9 * coalesce(max(f.keys) OVER (PARTITION BY week_ending, tier_digit, venue_class), 0)
),

greatest AS (
    SELECT week_ending, tier_digit, venue_class, arg_max(capture_id, rank) AS capture_id
    FROM candidates
    GROUP BY ALL
),

pinned AS (
    -- A blank pin is a release; a pin whose capture is missing or retracted has no effect.
    SELECT * FROM (
        SELECT week_ending, tier_digit, venue_class, arg_max(capture_id, moment) AS capture_id
        FROM decided
        WHERE made <> 'retract'
        GROUP BY ALL
    )
    SEMI JOIN standing USING (week_ending, tier_digit, venue_class, capture_id)
)

SELECT
    g.week_ending,
    g.tier_digit,
    g.venue_class,
    coalesce(p.capture_id, g.capture_id) AS capture_id
FROM greatest AS g
LEFT JOIN pinned AS p USING (week_ending, tier_digit, venue_class);

-- Rows of the captures that were current at a moment, for every week.
CREATE OR REPLACE MACRO otc_raw_as_of(ts) AS TABLE
WITH chosen AS (
    FROM otc_captures_as_of(ts, DATE '0001-01-01', DATE '9999-12-31')
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
