WITH rows_of AS (
    SELECT
        coalesce(ids.venue_id, s.mpid) AS venue_id,
        s.venue_class,
        coalesce(nullif(s.venue_name, ''), s.mpid) AS venue_name,
        min(s.week_ending) AS first_week,
        max(s.week_ending) AS last_week
    FROM otc_venue_share AS s
    LEFT JOIN otc_venue_ids_in(DATE '0001-01-01', DATE '9999-12-31') AS ids
        USING (venue_class, mpid)
    GROUP BY ALL
)

SELECT
    venue_id,
    max_by(venue_name, (last_week, venue_name)) AS venue_name,
    list(DISTINCT venue_name ORDER BY venue_name) AS names,
    CASE WHEN venue_class = 'NON_ATS' AND starts_with(venue_id, 'CRD')
        THEN substr(venue_id, 4)
    END AS crd,
    venue_class,
    min(first_week) AS first_week,
    max(last_week) AS last_week
FROM rows_of
GROUP BY venue_id, venue_class
