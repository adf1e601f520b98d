-- Adds the orders that had been read by $read_before and that the full resync of the services in `progress` did not find to
-- mews.missing_candidates. Source: mews.product_service_orders, mews.full_read_ids.
INSERT INTO mews.missing_candidates BY NAME
SELECT 'product_service_orders' AS endpoint, stored.service_id AS scope_id, stored.id
FROM mews.product_service_orders AS stored
SEMI JOIN progress ON progress.service_id = stored.service_id
ANTI JOIN mews.full_read_ids AS met ON met.endpoint = 'product_service_orders' AND met.id = stored.id
WHERE NOT stored.is_missing_from_source AND stored.fetched_utc <= $read_before;
