-- mart.dim_services: one row for each service of a known enterprise. Source: mews.services, mews.sync_state, enterprise_inputs,
-- affected_enterprises.
WITH known AS (
    SELECT
        coalesce(progress.scope_id, services.id) AS service_id,
        coalesce(progress.enterprise_id, services.enterprise_id) AS enterprise_id,
        shown(services.name) AS service_name,
        shown(services.kind) AS service_kind,
        services.is_active
    FROM mews.services AS services
    FULL JOIN (FROM mews.sync_state WHERE endpoint = 'product_service_orders') AS progress ON progress.scope_id = services.id
)

SELECT known.*
FROM known
INNER JOIN enterprise_inputs AS inputs ON inputs.enterprise_id = known.enterprise_id
SEMI JOIN affected_enterprises AS affected ON affected.enterprise_id = known.enterprise_id
