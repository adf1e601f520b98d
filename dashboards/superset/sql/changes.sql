-- mart.agg_changes of the hotels that are counted, of which something was tested, with the names of hotel and service.
SELECT
    hotels.hotel, hotels.hotel_status,
    CASE WHEN changes.service_id IS NULL THEN '(all)' ELSE coalesce(shown(services.service_name), '(no name)') END AS service,
    services.service_kind, shown(hotels.chain_name) AS chain_name, hotels.country_code, shown(hotels.city) AS city,
    CASE WHEN changes.is_beyond_chance THEN 'Beyond chance' ELSE 'May be chance' END AS certainty,
    changes.* REPLACE (
        CASE
            WHEN changes.level IN ('origin', 'service_origin') THEN coalesce(shown_origin(changes.origin), '(not given)')
            ELSE '(all)'
        END AS origin,
        shown_text(changes.sentence) AS sentence
    )
FROM mart.agg_changes AS changes
INNER JOIN hotels ON hotels.enterprise_id = changes.enterprise_id AND hotels.is_counted
LEFT JOIN mart.dim_services AS services ON services.service_id = changes.service_id
WHERE changes.rank IS NOT NULL
