-- Removes from mews.changed_records what the facts have been computed from.
DELETE FROM mews.changed_records AS records
USING internal.computed_services AS computed
WHERE
    records.endpoint = 'product_service_orders'
    AND records.scope_id = computed.service_id
    AND records.revision <= computed.revision;
