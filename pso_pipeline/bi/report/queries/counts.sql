-- One row for each hotel, service, origin, segment and month on the page: the aggregates of metrics.yml over {table}.
-- Origin and segment are -1 where the page does not divide a hotel's orders by them; such hotels together are hotel -1.
-- Reason: they are sums and counts, so the page may add up rows as its filters ask and divide afterwards.
SELECT
    hotels.position AS hotel,
    services.position AS service,
    CASE WHEN hotels.is_detailed THEN origin_values.position ELSE -1 END AS origin,
    CASE WHEN hotels.is_detailed THEN account_type_values.position ELSE -1 END AS segment,
    months.position AS month,
    {aggregates}
FROM mart.{table}
INNER JOIN months ON months.month = date_trunc('month', {table}.{date})
INNER JOIN placements AS hotels ON hotels.enterprise_id = {table}.enterprise_id
INNER JOIN services ON services.service_id = {table}.service_id
INNER JOIN origin_values ON origin_values.value IS NOT DISTINCT FROM {table}.origin
INNER JOIN account_type_values ON account_type_values.value IS NOT DISTINCT FROM {table}.account_type
GROUP BY ALL
ORDER BY ALL
