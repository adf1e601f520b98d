-- One row for each hotel, service, origin, segment and week: the aggregates of metrics.yml over {table}. Week 0 ends with the
-- hotel's last complete day; the $weeks weeks up to it are on the page.
SELECT
    hotels.position AS hotel,
    services.position AS service,
    CASE WHEN hotels.is_detailed THEN origin_values.position ELSE -1 END AS origin,
    CASE WHEN hotels.is_detailed THEN account_type_values.position ELSE -1 END AS segment,
    datediff('day', {table}.{date}, known.as_of_date) // 7 AS week,
    {aggregates}
FROM mart.{table}
INNER JOIN mart.dim_enterprises AS known ON known.enterprise_id = {table}.enterprise_id
INNER JOIN placements AS hotels ON hotels.enterprise_id = {table}.enterprise_id
INNER JOIN services ON services.service_id = {table}.service_id
INNER JOIN origin_values ON origin_values.value IS NOT DISTINCT FROM {table}.origin
INNER JOIN account_type_values ON account_type_values.value IS NOT DISTINCT FROM {table}.account_type
WHERE {table}.{date} <= known.as_of_date AND {table}.{date} > known.as_of_date - (7 * $weeks)::INTEGER
GROUP BY ALL
HAVING {is_any}
ORDER BY ALL
