-- One row for each hotel, under a label that no other hotel has: its name, or its partition key where hotels share one.
SELECT
    enterprise_id, chain_name, country_code, city, is_in_scope, as_of_utc,
    CASE
        WHEN count(*) OVER (PARTITION BY enterprise_name) = 1 THEN coalesce(enterprise_name, partition_key)
        ELSE coalesce(partition_key, enterprise_id)
    END AS hotel
FROM mart.dim_enterprises
