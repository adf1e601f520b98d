-- One row for each service: how many of its orders are new, how many change, and how many rows are of an order that the landing
-- affects in any way: a late older version counts, and so does the version by which an order belonged to another service.
WITH affected AS (
    SELECT DISTINCT id FROM weighed WHERE NOT is_held OR is_missing_from_source
)

SELECT
    service_id,
    max(enterprise_id),
    count(*) FILTER (WHERE is_current AND NOT is_known) AS created,
    count(*) FILTER (WHERE is_current AND is_known AND (NOT is_held OR is_missing_from_source)) AS changed,
    count(affected.id) AS noted,
    bool_or(is_tied) AS is_tied
FROM weighed
LEFT JOIN affected ON affected.id = weighed.id
GROUP BY service_id;
