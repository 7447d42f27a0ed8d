-- The Herfindahl-Hirschman index as in `otc/tables/concentration.py`: aggregates over rows of one
-- venue each, 0-1, null where the total is 0.

-- Buckets are left out of the squares, so the index is a lower bound.
CREATE OR REPLACE MACRO otc_hhi(volume, mpid) AS
    CASE WHEN sum(volume) > 0
        THEN coalesce(sum(volume::DOUBLE ** 2) FILTER (NOT otc_is_bucket(mpid)), 0)
            / sum(volume)::DOUBLE ** 2
    END;

-- Each bucket counts as one firm, so the index is an upper bound.
CREATE OR REPLACE MACRO otc_hhi_high(volume) AS
    CASE WHEN sum(volume) > 0
        THEN sum(volume::DOUBLE ** 2) / sum(volume)::DOUBLE ** 2
    END;
