-- mart.agg_consumption_ahead of the hotels that are counted, with the names of hotel, service and product.
SELECT
    hotels.hotel, hotels.hotel_status, coalesce(shown(services.service_name), '(no name)') AS service,
    services.service_kind, shown(hotels.chain_name) AS chain_name, hotels.country_code, shown(hotels.city) AS city,
    coalesce(shown(products.product_name), '(no product)') AS product,
    strftime(ahead.date, '%Y-%m-%d, %a') AS day,
    ahead.*
FROM mart.agg_consumption_ahead AS ahead
INNER JOIN hotels ON hotels.enterprise_id = ahead.enterprise_id AND hotels.is_counted
LEFT JOIN mart.dim_services AS services ON services.service_id = ahead.service_id
LEFT JOIN mart.dim_products AS products ON products.product_id = ahead.product_id
