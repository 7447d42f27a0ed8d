-- What identifies a venue: the rules of `otc.delivery.venue_id`, and which stored identities are one.

-- Buckets: volume in totals that belongs to no identified venue.
CREATE OR REPLACE MACRO otc_is_bucket(mpid) AS mpid IN ('DE_MINIMIS', 'UNATTRIBUTED');

-- The identity of a delivered row: `mpid` of otc_venue_volume. Null where it names nobody.
CREATE OR REPLACE MACRO otc_venue_id(venue_class, mpid, crd, name) AS
    CASE
        WHEN venue_class = 'ATS'
            THEN CASE
                -- No MPID: it reads as the identity of a firm outside an ATS.
                WHEN regexp_matches(otc_given(mpid), '^(DE_MINIMIS$|CRD[0-9]+$|FIRM:)')
                    THEN 'UNATTRIBUTED'
                ELSE coalesce(otc_given(mpid), 'UNATTRIBUTED')
            END
        WHEN regexp_full_match(otc_given(crd), '0+(\.0*)?') THEN 'DE_MINIMIS'
        WHEN otc_name_key(name) IN ('de minimis', 'de minimis firm', 'de minimis firms')
            THEN 'DE_MINIMIS'
        WHEN regexp_full_match(otc_given(crd), '\d+(\.0*)?')
            THEN 'CRD' || regexp_extract(otc_given(crd), '^0*(\d+)', 1)
        ELSE 'FIRM:' || otc_given(name)
    END;

-- Stored identities (`mpid`) in the weeks from first_week to last_week that stand for a venue of
-- another identity: a firm known by name alone is the one CRD that had this name in any week, else
-- the first spelling of the name. A name of two CRDs stands for neither. Everything else is itself
-- and has no row: `coalesce(venue_id, mpid)` after a LEFT JOIN.
CREATE OR REPLACE MACRO otc_venue_ids_in(first_week, last_week) AS TABLE
WITH sought AS (
    -- Weeks that came with CRDs have none, and then no other week is read.
    SELECT DISTINCT venue_class, mpid, otc_name_key(substr(mpid, 6)) AS name_key
    FROM otc_venue_share
    WHERE
        week_ending BETWEEN first_week::DATE AND last_week::DATE
        AND venue_class = 'NON_ATS'
        AND starts_with(mpid, 'FIRM:')
),

seen AS (
    SELECT
        mpid,
        starts_with(mpid, 'CRD') AS is_crd,
        otc_name_key(CASE WHEN is_crd THEN venue_name ELSE substr(mpid, 6) END) AS name_key,
        min(week_ending) AS first_seen
    FROM otc_venue_share
    SEMI JOIN sought USING (venue_class)
    WHERE NOT otc_is_bucket(mpid)
    GROUP BY ALL
),

known AS (
    SELECT
        name_key,
        CASE count(*) FILTER (is_crd)
            WHEN 0 THEN min_by(mpid, (first_seen, mpid))
            WHEN 1 THEN any_value(mpid) FILTER (is_crd)
        END AS venue_id
    FROM seen
    WHERE name_key <> ''
    GROUP BY name_key
)

SELECT sought.venue_class, sought.mpid, known.venue_id
FROM sought
INNER JOIN known USING (name_key)
WHERE known.venue_id <> sought.mpid;
