-- Ten enterprises, for a preview. Source: mews.enterprises.
SELECT partition_key, name, time_zone_identifier, chain_name, country_code, city, is_in_scope
FROM mews.enterprises
ORDER BY partition_key
LIMIT 10;
