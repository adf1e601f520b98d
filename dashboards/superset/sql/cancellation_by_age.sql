-- mart.agg_cancellation_curve with the names of hotel and service.
SELECT
    hotels.hotel, coalesce(services.service_name, '(no name)') AS service, services.service_kind,
    hotels.chain_name, hotels.country_code, hotels.city,
    left(CAST(curve.cohort_month AS VARCHAR), 7) AS cohort,
    curve.*
FROM mart.agg_cancellation_curve AS curve
LEFT JOIN hotels ON hotels.enterprise_id = curve.enterprise_id
LEFT JOIN mart.dim_services AS services ON services.service_id = curve.service_id
