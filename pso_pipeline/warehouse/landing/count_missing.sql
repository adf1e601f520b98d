-- One row for each service in `progress`: how many orders that had been read by $read_before the warehouse holds as present, and
-- how many of them its full resync did not meet.
SELECT
    progress.service_id,
    count(stored.id) AS present,
    count(stored.id) FILTER (WHERE met.id IS NULL) AS missing
FROM progress
LEFT JOIN mews.product_service_orders AS stored
    ON
        stored.service_id = progress.service_id
        AND NOT stored.is_missing_from_source
        AND stored.fetched_utc <= $read_before
LEFT JOIN (SELECT DISTINCT id FROM mews.full_read_ids) AS met ON met.id = stored.id
GROUP BY progress.service_id;
