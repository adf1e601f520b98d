-- mart.agg_orders_daily with the names of hotel and service.
SELECT
    hotels.hotel, coalesce(services.service_name, '(no name)') AS service, services.service_kind,
    hotels.chain_name, hotels.country_code, hotels.city, hotels.is_in_scope, hotels.as_of_utc,
    daily.* REPLACE (
        coalesce(daily.origin, '(not given)') AS origin, coalesce(daily.account_type, '(not given)') AS account_type
    )
FROM mart.agg_orders_daily AS daily
LEFT JOIN hotels ON hotels.enterprise_id = daily.enterprise_id
LEFT JOIN mart.dim_services AS services ON services.service_id = daily.service_id
