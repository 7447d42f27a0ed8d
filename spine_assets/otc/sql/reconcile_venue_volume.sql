-- Rows and shares of the current captures, of the venue rows and of the rule rejects.
-- $raw, $rejects, $venue_volume: lists of Parquet files.
SELECT
    (SELECT count(*) FROM read_parquet($raw, hive_partitioning = false)) AS raw_rows,
    (SELECT count(*) FROM read_parquet($venue_volume, hive_partitioning = false)) AS venue_rows,
    (SELECT count(*) FROM read_parquet($rejects, hive_partitioning = false)) AS reject_rows,
    (SELECT coalesce(sum(share_volume), 0) FROM read_parquet($raw, hive_partitioning = false)) AS raw_shares,
    (SELECT coalesce(sum(share_volume), 0) FROM read_parquet($venue_volume, hive_partitioning = false)) AS venue_shares,
    (SELECT coalesce(sum(share_volume), 0) FROM read_parquet($rejects, hive_partitioning = false)) AS reject_shares;
