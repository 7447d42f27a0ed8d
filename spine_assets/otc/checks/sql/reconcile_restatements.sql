-- A row for each step that does not add up, does not begin where the one before it ended, or, as
-- the last of its tier and class, does not end in the current capture.
-- $raw (current captures), $rejects (rule stage), $derived: lists of Parquet files.
-- Tiers are compared by the digit in them, as in views.sql: otc_raw has them as delivered.
WITH steps AS (
    SELECT
        *,
        regexp_extract(tier, '[12]') AS tier_digit,
        lag(to_capture_id) OVER by_key AS capture_before,
        lag(rows_after) OVER by_key AS rows_until,
        lag(shares_after) OVER by_key AS shares_until,
        lead(step) OVER by_key IS NULL AS is_last
    FROM read_parquet($derived, hive_partitioning = false)
    WINDOW by_key AS (PARTITION BY tier, venue_class ORDER BY step)
),

delivered AS (
    SELECT
        *,
        regexp_extract(tier, '[12]') AS tier_digit,
        (capture_id, source_file, source_line) IN (
            SELECT (capture_id, source_file, source_line)
            FROM read_parquet($rejects, hive_partitioning = false)
        ) AS is_reject
    FROM read_parquet($raw, hive_partitioning = false, union_by_name = true)
    WHERE venue_class IN (SELECT venue_class FROM steps)
),

accepted AS (
    SELECT
        tier_digit,
        venue_class,
        capture_id,
        count(*) FILTER (NOT is_reject) AS row_count,
        coalesce(sum(share_volume) FILTER (NOT is_reject), 0) AS shares
    FROM delivered
    GROUP BY ALL
)

SELECT
    s.tier,
    s.venue_class,
    s.step,
    s.rows_after - s.rows_before - s.rows_added + s.rows_removed AS rows_off,
    s.is_last,
    a.capture_id AS expected_capture,
    s.to_capture_id AS found_capture,
    a.row_count AS lines,
    s.rows_after AS found_rows,
    a.shares AS expected_shares,
    s.shares_after AS found_shares
FROM steps AS s
LEFT JOIN accepted AS a
    ON s.is_last AND a.tier_digit = s.tier_digit AND a.venue_class = s.venue_class
WHERE
    rows_off <> 0
    OR coalesce(s.capture_before, s.from_capture_id) <> s.from_capture_id
    OR coalesce(s.rows_until, s.rows_before) <> s.rows_before
    OR coalesce(s.shares_until, s.shares_before) <> s.shares_before
    OR s.is_last AND (
        a.capture_id IS DISTINCT FROM s.to_capture_id
        -- Lines of several issues are one row.
        OR a.row_count < s.rows_after
        OR a.shares IS DISTINCT FROM s.shares_after
    )
ORDER BY s.tier, s.venue_class, s.step;
