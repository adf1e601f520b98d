-- counted: for each hotel its order items, and those in a currency that is none of $currencies.
CREATE OR REPLACE TEMP TABLE counted AS
SELECT
    enterprise_id,
    count(*) AS checked,
    count(*) FILTER (WHERE NOT list_contains($currencies::VARCHAR[], coalesce(currency, ''))) AS violations,
    'currency '
    || min(CASE WHEN NOT list_contains($currencies::VARCHAR[], coalesce(currency, '')) THEN coalesce(currency, 'null') END)
        AS detail
FROM checked_records
WHERE is_missing_from_source IS DISTINCT FROM TRUE
GROUP BY enterprise_id;
