-- Takes from mews.changed_records what the facts have been made from.
DELETE FROM mews.changed_records AS revised
USING marts.internal.derived_services AS derived
WHERE revised.endpoint = 'product_service_orders' AND revised.scope_id = derived.service_id AND revised.revision <= derived.revision;
