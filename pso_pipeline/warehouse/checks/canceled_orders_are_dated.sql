-- counted: for each hotel its canceled orders, and those that do not tell when they were canceled.
CREATE OR REPLACE TEMP TABLE counted AS
SELECT
    coalesce(enterprise_id, '') AS enterprise_id,
    count(*) AS checked,
    count(*) FILTER (WHERE cancelled_utc IS NULL) AS violations,
    'for example ' || min(id) FILTER (WHERE cancelled_utc IS NULL) AS detail
FROM mews.product_service_orders
WHERE
    coalesce(enterprise_id, '') IN (SELECT enterprise_id FROM checked_enterprises)
    AND state = $canceled
    AND is_missing_from_source IS DISTINCT FROM TRUE
GROUP BY coalesce(enterprise_id, '');
