-- mart.dim_products: one row for each product of a known enterprise. Source: mews.products, affected_enterprises.
-- A product that the source no longer has keeps its name: its items remain.
SELECT
    products.id AS product_id,
    products.enterprise_id,
    products.service_id,
    shown(products.name) AS product_name,
    shown(
        array_to_string(
            list_filter(
                list_sort(json_keys(products.classifications)),
                lambda name: json_extract_string(products.classifications, '$."' || name || '"') = 'true'
            ),
            ', '
        )
    ) AS classification,
    shown(products.charging_mode) AS charging_mode,
    products.is_active
FROM mews.products AS products
SEMI JOIN affected_enterprises AS affected ON affected.enterprise_id = products.enterprise_id
QUALIFY row_number() OVER (PARTITION BY products.id, products.enterprise_id ORDER BY products.updated_utc DESC) = 1
