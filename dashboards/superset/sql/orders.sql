-- mart.fct_product_service_orders with the names of hotel and service.
SELECT
    hotels.hotel, coalesce(services.service_name, '(no name)') AS service, services.service_kind,
    hotels.chain_name, hotels.country_code, hotels.city,
    CASE
        WHEN orders.hours_to_cancel <= 1 THEN '1. Within an hour'
        WHEN orders.hours_to_cancel <= 24 THEN '2. Within a day'
        WHEN orders.hours_to_cancel <= 24 * 7 THEN '3. Within 7 days'
        WHEN orders.hours_to_cancel <= 24 * 30 THEN '4. Within 30 days'
        WHEN orders.hours_to_cancel <= 24 * 90 THEN '5. Within 90 days'
        WHEN orders.hours_to_cancel IS NOT NULL THEN '6. Later'
    END AS time_to_cancel,
    orders.* REPLACE (
        coalesce(orders.origin, '(not given)') AS origin, coalesce(orders.account_type, '(not given)') AS account_type
    )
FROM mart.fct_product_service_orders AS orders
LEFT JOIN hotels ON hotels.enterprise_id = orders.enterprise_id
LEFT JOIN mart.dim_services AS services ON services.service_id = orders.service_id
