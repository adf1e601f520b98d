-- Marks the orders that had been read by $read_before and that a full resync of the services in `progress` did not meet. The
-- caller has seen that the read came to its end and that the share is plausible.
UPDATE mews.product_service_orders AS stored
SET is_missing_from_source = true
FROM progress
WHERE
    stored.service_id = progress.service_id
    AND NOT stored.is_missing_from_source
    AND stored.fetched_utc <= $read_before
    AND NOT EXISTS (SELECT 1 FROM mews.full_read_ids AS met WHERE met.id = stored.id);
