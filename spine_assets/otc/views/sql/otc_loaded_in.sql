-- Which classes (ATS, NON_ATS) of which tiers are loaded in the weeks from first_week to
-- last_week: a tier and class without one row is not loaded. Two columns of one table are read.
CREATE OR REPLACE MACRO otc_loaded_in(first_week, last_week) AS TABLE
SELECT
    week_ending,
    tier,
    list(venue_class ORDER BY venue_class) AS classes
FROM (
    SELECT DISTINCT week_ending, tier, venue_class
    FROM otc_venue_volume
    WHERE week_ending BETWEEN first_week::DATE AND last_week::DATE
)
GROUP BY week_ending, tier;

-- Over the rows of a week in otc_loaded_in: each class that is loaded is loaded of all three tiers.
CREATE OR REPLACE MACRO otc_is_complete(classes) AS
    sum(len(classes)) = 3 * len(list_distinct(flatten(list(classes))));
