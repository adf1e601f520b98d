-- mart.fct_product_service_orders of the hotels that are counted, with the names of hotel and service.
SELECT
    hotels.hotel, hotels.hotel_status, coalesce(shown(services.service_name), '(no name)') AS service,
    services.service_kind, shown(hotels.chain_name) AS chain_name, hotels.country_code, shown(hotels.city) AS city,
    CASE
        WHEN orders.hours_to_cancel <= 1 THEN '1. Within an hour'
        WHEN orders.hours_to_cancel <= 24 THEN '2. Within a day'
        WHEN orders.hours_to_cancel <= 24 * 7 THEN '3. Within 7 days'
        WHEN orders.hours_to_cancel <= 24 * 30 THEN '4. Within 30 days'
        WHEN orders.hours_to_cancel <= 24 * 90 THEN '5. Within 90 days'
        WHEN orders.hours_to_cancel IS NOT NULL THEN '6. Later'
    END AS time_to_cancel,
    orders.* REPLACE (
        coalesce(shown_origin(orders.origin), '(not given)') AS origin,
        coalesce(shown(orders.account_type), '(not given)') AS account_type,
        shown(orders.state) AS state, shown(orders.order_number) AS order_number,
        shown(orders.commander_origin) AS commander_origin
    )
FROM mart.fct_product_service_orders AS orders
INNER JOIN hotels ON hotels.enterprise_id = orders.enterprise_id AND hotels.is_counted
LEFT JOIN mart.dim_services AS services ON services.service_id = orders.service_id
