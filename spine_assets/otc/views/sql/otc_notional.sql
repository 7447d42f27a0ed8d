WITH complete AS (
    SELECT week_ending, otc_is_complete(classes) AS is_complete
    FROM otc_loaded_in(first_week, last_week)
    GROUP BY week_ending
),

broken AS (
    SELECT r.week_ending, r.capture_id, r.source_file, r.source_line
    FROM otc_rejects AS r
    WHERE r.week_ending BETWEEN first_week::DATE AND last_week::DATE AND r.stage = 'rule'
),

lines AS (
    -- The lines that are added up in otc_venue_volume: of current captures, without rule rejects.
    SELECT
        l.week_ending,
        CASE regexp_extract(l.tier, '[12]')
            WHEN '1' THEN 'NMS_TIER_1'
            WHEN '2' THEN 'NMS_TIER_2'
            ELSE 'OTC'
        END AS tier,
        l.symbol,
        l.venue_class,
        otc_venue_id(l.venue_class, l.mpid, l.firm_crd, l.venue_name) AS mpid,
        l.share_volume,
        round(l.notional, 2) AS notional
    FROM otc_captures_as_of(TIMESTAMP '9999-12-31 00:00:00', first_week, last_week) AS c
    INNER JOIN otc_raw AS l
        ON
            l.week_ending = c.week_ending
            AND regexp_extract(l.tier, '[12]') = c.tier_digit
            AND l.venue_class = c.venue_class
            AND l.capture_id = c.capture_id
    ANTI JOIN broken AS b
        ON
            l.week_ending = b.week_ending
            AND l.capture_id = b.capture_id
            AND l.source_file = b.source_file
            AND l.source_line = b.source_line
    WHERE l.week_ending BETWEEN first_week::DATE AND last_week::DATE
),

sums AS (
    SELECT
        week_ending,
        tier,
        symbol,
        venue_class,
        mpid,
        count(*) AS line_count,
        sum(share_volume) AS shares,
        CASE WHEN count(notional) = count(*) THEN sum(notional) END AS dollars
    FROM lines
    GROUP BY ALL
)

SELECT
    v.week_ending,
    v.tier,
    v.symbol,
    v.venue_class,
    v.mpid,
    v.venue_name,
    v.issue_name,
    v.share_volume,
    -- Lines of now that are not those of the row: its week is to be built again.
    CASE WHEN s.line_count = v.issue_count AND s.shares = v.share_volume
        THEN s.dollars
    END::DECIMAL(38, 6) AS notional,
    CASE WHEN v.share_volume > 0
        THEN notional::DOUBLE / v.share_volume::DOUBLE
    END AS avg_price,
    complete.is_complete
FROM otc_venue_volume AS v
INNER JOIN complete USING (week_ending)
LEFT JOIN sums AS s USING (week_ending, tier, symbol, venue_class, mpid)
WHERE v.week_ending BETWEEN first_week::DATE AND last_week::DATE
