-- Marks the orders that had been read by $read_before and that neither the full resync of the services in `marked` nor the full
-- read before found. The caller has seen that the read came to its end and that the share is plausible.
-- Source: mews.full_read_ids, mews.missing_candidates.
UPDATE mews.product_service_orders AS stored
SET is_missing_from_source = true
FROM marked
WHERE
    stored.service_id = marked.service_id
    AND NOT stored.is_missing_from_source
    AND stored.fetched_utc <= $read_before
    AND NOT EXISTS (SELECT 1 FROM mews.full_read_ids AS met WHERE met.endpoint = 'product_service_orders' AND met.id = stored.id)
    AND EXISTS (
        SELECT 1
        FROM mews.missing_candidates AS candidates
        WHERE candidates.endpoint = 'product_service_orders' AND candidates.id = stored.id AND candidates.scope_id = stored.service_id
    );
