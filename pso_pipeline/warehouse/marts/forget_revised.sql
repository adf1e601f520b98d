-- Takes from mews.revised_orders what the facts have been made from.
DELETE FROM mews.revised_orders AS revised
USING marts.internal.derived_services AS derived
WHERE revised.service_id = derived.service_id AND revised.revision <= derived.revision;
