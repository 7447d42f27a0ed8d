-- Rows and shares of the current captures, of the venue rows (each counts the lines that are added
-- up in it) and of the rule rejects.
-- $raw, $rejects, $venue_volume: lists of Parquet files.
WITH raw AS (
    SELECT count(*) AS row_count, coalesce(sum(share_volume), 0) AS shares
    FROM read_parquet($raw, hive_partitioning = false, union_by_name = true)
),

venues AS (
    SELECT coalesce(sum(issue_count), 0) AS row_count, coalesce(sum(share_volume), 0) AS shares
    FROM read_parquet($venue_volume, hive_partitioning = false)
),

rejects AS (
    SELECT count(*) AS row_count, coalesce(sum(share_volume), 0) AS shares
    FROM read_parquet($rejects, hive_partitioning = false)
)

SELECT
    raw.row_count AS raw_rows,
    venues.row_count AS venue_rows,
    rejects.row_count AS reject_rows,
    raw.shares AS raw_shares,
    venues.shares AS venue_shares,
    rejects.shares AS reject_shares
FROM raw, venues, rejects;
