-- mart.agg_item_revenue_daily of the hotels that are counted, with the names of hotel, service and product.
SELECT
    hotels.hotel, hotels.hotel_status, coalesce(shown(services.service_name), '(no name)') AS service,
    services.service_kind, shown(hotels.chain_name) AS chain_name, hotels.country_code, shown(hotels.city) AS city,
    coalesce(shown(products.product_name), '(no product)') AS product,
    daily.* REPLACE (shown(daily.currency) AS currency)
FROM mart.agg_item_revenue_daily AS daily
INNER JOIN hotels ON hotels.enterprise_id = daily.enterprise_id AND hotels.is_counted
LEFT JOIN mart.dim_services AS services ON services.service_id = daily.service_id
LEFT JOIN mart.dim_products AS products ON products.product_id = daily.product_id
