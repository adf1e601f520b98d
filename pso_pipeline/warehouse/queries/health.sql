-- One row for each enterprise in scope, with why it could not be read last time; null where it could.
-- Source: mews.enterprises, mews.sync_state, mews.services.
SELECT
    enterprises.id,
    enterprises.partition_key,
    enterprises.name,
    max(sync_state.last_error) FILTER (WHERE services.retired_utc IS NULL) AS last_error
FROM mews.enterprises
LEFT JOIN mews.sync_state ON sync_state.endpoint = 'product_service_orders' AND sync_state.enterprise_id = enterprises.id
LEFT JOIN mews.services ON services.id = sync_state.scope_id
WHERE enterprises.is_in_scope
GROUP BY enterprises.id, enterprises.partition_key, enterprises.name
ORDER BY enterprises.partition_key;
