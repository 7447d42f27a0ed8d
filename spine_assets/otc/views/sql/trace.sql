-- From a symbol's week back to its delivered lines, and forward to what they feed. `otc.trace`
-- does the same in Python and also verifies the text of each line.

-- A week's lines of a symbol, of every capture. `counts`: its capture is current and it broke no
-- rule. `reason`: the rule that it broke when the week was last built. `mpid`: as in
-- otc_venue_volume, of which several lines may be one row (its `issue_count`).
CREATE OR REPLACE MACRO otc_trace(of_symbol, of_week) AS TABLE
WITH counting AS (
    -- Of this week alone: through otc_raw_current DuckDB would open every week's files.
    SELECT venue_class, tier_digit, capture_id
    FROM otc_captures_as_of(TIMESTAMP '9999-12-31 00:00:00', of_week, of_week)
),

broken AS (
    SELECT r.capture_id, r.source_file, r.source_line, r.reason
    FROM otc_rejects AS r
    WHERE r.week_ending = of_week::DATE AND r.stage = 'rule'
)

SELECT
    l.week_ending,
    l.tier,
    l.symbol,
    l.venue_class,
    otc_venue_id(l.venue_class, l.mpid, l.firm_crd, l.venue_name) AS mpid,
    l.share_volume,
    l.trade_count,
    c.capture_id IS NOT NULL AND b.reason IS NULL AS counts,
    b.reason,
    l.capture_id,
    l.captured_at,
    l.source_file,
    l.source_line,
    l.record_hash
FROM otc_raw AS l
LEFT JOIN counting AS c
    ON
        l.capture_id = c.capture_id
        AND l.venue_class = c.venue_class
        AND regexp_extract(l.tier, '[12]') = c.tier_digit
LEFT JOIN broken AS b
    ON
        l.capture_id = b.capture_id
        AND l.source_file = b.source_file
        AND l.source_line = b.source_line
WHERE l.week_ending = of_week::DATE AND l.symbol = of_symbol;

-- What these lines are part of: one row per stored figure, with the percent of it that is theirs.
-- A restatement has a percent only if its later capture is still current: the rule rejects of
-- others are not kept.
CREATE OR REPLACE MACRO otc_trace_up(of_symbol, of_week) AS TABLE
WITH venues AS (
    SELECT v.tier, v.venue_class, v.mpid, v.share_volume
    FROM otc_venue_volume AS v
    WHERE v.week_ending = of_week::DATE AND v.symbol = of_symbol
),

by_venue AS (
    SELECT v.venue_class, v.mpid, sum(v.share_volume) AS shares
    FROM venues AS v
    GROUP BY v.venue_class, v.mpid
),

by_class AS (
    SELECT v.tier, v.venue_class, sum(v.share_volume) AS shares
    FROM venues AS v
    GROUP BY v.tier, v.venue_class
)

SELECT
    'otc_symbol_summary' AS table_name,
    s.tier,
    NULL::VARCHAR AS mpid,
    'total_volume' AS figure,
    s.total_volume AS value,
    CASE WHEN s.total_volume > 0
        THEN 100 * (
            SELECT sum(v.share_volume) FROM venues AS v WHERE v.tier = s.tier
        )::DOUBLE / s.total_volume::DOUBLE
    END AS part_pct,
    s.capture_id AS build
FROM otc_symbol_summary AS s
WHERE s.week_ending = of_week::DATE AND s.symbol = of_symbol
UNION ALL
SELECT
    'otc_venue_volume',
    v.tier,
    v.mpid,
    'share_volume',
    v.share_volume,
    CASE WHEN v.share_volume > 0 THEN 100.0::DOUBLE END,
    v.capture_id
FROM otc_venue_volume AS v
WHERE v.week_ending = of_week::DATE AND v.symbol = of_symbol
UNION ALL
SELECT
    'otc_venue_share',
    NULL,
    t.mpid,
    'total_volume',
    t.total_volume,
    CASE WHEN t.total_volume > 0 THEN 100 * b.shares::DOUBLE / t.total_volume::DOUBLE END,
    t.capture_id
FROM otc_venue_share AS t
INNER JOIN by_venue AS b ON t.venue_class = b.venue_class AND t.mpid = b.mpid
WHERE t.week_ending = of_week::DATE
UNION ALL
SELECT
    'otc_restatements',
    r.tier,
    NULL,
    'shares_after',
    r.shares_after,
    CASE WHEN r.shares_after > 0 AND r.to_capture_id = last_of.capture_id
        THEN 100 * b.shares::DOUBLE / r.shares_after::DOUBLE
    END,
    r.capture_id
FROM otc_restatements AS r
INNER JOIN by_class AS b ON r.tier = b.tier AND r.venue_class = b.venue_class
INNER JOIN (
    SELECT m.tier, m.venue_class, arg_max(m.to_capture_id, m.step) AS capture_id
    FROM otc_restatements AS m
    WHERE m.week_ending = of_week::DATE
    GROUP BY m.tier, m.venue_class
) AS last_of ON r.tier = last_of.tier AND r.venue_class = last_of.venue_class
WHERE r.week_ending = of_week::DATE;
