-- One row for each service in `progress`: how many orders that had been read by $read_before the warehouse holds as present, how
-- many of them its full resync did not find, and how many of those the full read before did not find either.
-- Source: mews.product_service_orders, mews.full_read_ids, mews.missing_candidates.
SELECT
    progress.service_id,
    count(stored.id) AS present,
    count(stored.id) FILTER (WHERE met.id IS NULL) AS missing,
    count(stored.id) FILTER (WHERE met.id IS NULL AND candidates.id IS NOT NULL) AS again
FROM progress
LEFT JOIN mews.product_service_orders AS stored
    ON
        stored.service_id = progress.service_id
        AND NOT stored.is_missing_from_source
        AND stored.fetched_utc <= $read_before
LEFT JOIN (SELECT DISTINCT id FROM mews.full_read_ids WHERE endpoint = 'product_service_orders') AS met ON met.id = stored.id
LEFT JOIN (SELECT DISTINCT scope_id, id FROM mews.missing_candidates WHERE endpoint = 'product_service_orders') AS candidates
    ON candidates.id = stored.id AND candidates.scope_id = stored.service_id
GROUP BY progress.service_id;
