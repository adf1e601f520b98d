-- mart.agg_orders_daily of the hotels that are counted, with the names of hotel and service.
SELECT
    hotels.hotel, hotels.hotel_status, coalesce(shown(services.service_name), '(no name)') AS service,
    services.service_kind, shown(hotels.chain_name) AS chain_name, hotels.country_code, shown(hotels.city) AS city,
    hotels.as_of_utc,
    daily.* REPLACE (
        coalesce(shown_origin(daily.origin), '(not given)') AS origin,
        coalesce(shown(daily.account_type), '(not given)') AS account_type
    )
FROM mart.agg_orders_daily AS daily
INNER JOIN hotels ON hotels.enterprise_id = daily.enterprise_id AND hotels.is_counted
LEFT JOIN mart.dim_services AS services ON services.service_id = daily.service_id
