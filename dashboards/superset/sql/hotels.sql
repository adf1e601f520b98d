-- One row for each hotel, under a label that no other hotel has: its name, or its partition key where hotels share one.
-- A hotel that is no longer read, or not read to its end yet, is in no data set but that of the hotels.
SELECT
    enterprise_id, chain_name, country_code, city, as_of_utc,
    coalesce(is_in_scope, FALSE) AND as_of_utc IS NOT NULL AS is_counted,
    CASE
        WHEN is_in_scope IS NOT TRUE THEN 'No longer read'
        WHEN is_held_back THEN 'Held back'
        WHEN as_of_utc IS NULL THEN 'Not read to its end yet'
        ELSE 'Current'
    END AS hotel_status,
    CASE
        WHEN count(*) OVER (PARTITION BY shown(enterprise_name)) = 1 AND shown(enterprise_name) <> '' THEN shown(enterprise_name)
        ELSE coalesce(partition_key, enterprise_id)
    END AS hotel
FROM mart.dim_enterprises
