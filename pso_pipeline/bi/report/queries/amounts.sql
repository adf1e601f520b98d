-- One row for each hotel, service, currency and month on the page: the sums of metrics.yml over {table}, in ten-thousandths.
-- Reason: whole numbers stay exact in every program that adds them up.
SELECT
    hotels.position AS hotel,
    services.position AS service,
    currencies.position AS currency,
    months.position AS month,
    {aggregates}
FROM mart.{table}
INNER JOIN months ON months.month = date_trunc('month', {table}.{date})
INNER JOIN hotels ON hotels.enterprise_id = {table}.enterprise_id
INNER JOIN services ON services.service_id = {table}.service_id
INNER JOIN currencies ON currencies.code = {table}.currency
GROUP BY ALL
ORDER BY ALL
