-- mart.fct_product_service_orders: one row for each order of a completely read service that the source still has.
-- Source: new_facts. Reason: every count is made from these rows.
-- Made again: everything of stale_enterprises, and remade_orders. Of the others, time alone makes some unresolved.
DELETE FROM mart.fct_product_service_orders WHERE enterprise_id IN (SELECT enterprise_id FROM stale_enterprises);

DELETE FROM mart.fct_product_service_orders
WHERE
    order_id IN (SELECT order_id FROM remade_orders)
    AND enterprise_id IN (SELECT enterprise_id FROM batch_enterprises WHERE is_revised);

INSERT INTO mart.fct_product_service_orders BY NAME SELECT * FROM new_facts;

UPDATE mart.fct_product_service_orders AS stored
SET is_unresolved = is_unresolved_by(stored.state_group, stored.created_at, batch.last_midnight_utc)
FROM batch_enterprises AS batch
WHERE
    batch.enterprise_id = stored.enterprise_id
    AND NOT batch.is_stale
    AND batch.last_midnight_utc IS DISTINCT FROM batch.previous_midnight_utc
    AND stored.state_group = 'confirmed'
    AND stored.is_unresolved <> is_unresolved_by(stored.state_group, stored.created_at, batch.last_midnight_utc);
