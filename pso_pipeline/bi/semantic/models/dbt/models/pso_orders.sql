-- mart.fct_product_service_orders of the hotels that totals count
SELECT * FROM {{ source('pso_bi', 'fct_product_service_orders') }}
WHERE enterprise_id IN (
    SELECT enterprise_id FROM {{ source('pso_bi', 'dim_enterprises') }} WHERE is_in_scope AND as_of_utc IS NOT NULL
)
