-- One row for each hotel, service, origin, segment and span of weeks: the aggregates of metrics.yml over {table}. Weeks are
-- counted back from the hotel's last complete day; span i has those from $first_weeks[i] (the last is 0) to before the next.
-- Reason: every window, the one before it and last year's are made of whole spans. What needs orders of some age is taken
-- in earlier weeks, of which all are that old: a short window is never empty, and windows are compared at equal age. Sums of
-- weeks are added up to spans, since each week is needed at every age.
WITH spans AS (
    SELECT span, unnest(range(first_week, end_week)) AS week
    FROM (
        SELECT
            first_week,
            lead(first_week) OVER (ORDER BY first_week) AS end_week,
            row_number() OVER (ORDER BY first_week) - 1 AS span
        FROM (SELECT unnest($first_weeks::INTEGER[]) AS first_week)
    )
),

ages AS (
    SELECT unnest($weeks_earlier::INTEGER[]) AS weeks_earlier
),

last_days AS (
    SELECT
        hotels.*,
        coalesce(known.as_of_date, max(known.as_of_date) OVER ()) AS last_day
    FROM placements AS hotels
    INNER JOIN mart.dim_enterprises AS known ON known.enterprise_id = hotels.enterprise_id
),

weeks AS (
    SELECT
        hotels.position AS hotel,
        services.position AS service,
        CASE WHEN hotels.is_detailed THEN origin_values.position ELSE -1 END AS origin,
        CASE WHEN hotels.is_detailed THEN account_type_values.position ELSE -1 END AS segment,
        datediff('day', {table}.{date}, hotels.last_day) // 7 AS week,
        {sums_of_week}
    FROM mart.{table}
    INNER JOIN last_days AS hotels ON hotels.enterprise_id = {table}.enterprise_id
    INNER JOIN services ON services.service_id = {table}.service_id
    INNER JOIN origin_values ON origin_values.value IS NOT DISTINCT FROM {table}.origin
    INNER JOIN account_type_values ON account_type_values.value IS NOT DISTINCT FROM {table}.account_type
    WHERE {table}.{date} <= hotels.last_day
    GROUP BY ALL
)

SELECT
    weeks.hotel,
    weeks.service,
    weeks.origin,
    weeks.segment,
    spans.span,
    {sums_of_span}
FROM weeks
CROSS JOIN ages
INNER JOIN spans ON spans.week = weeks.week - ages.weeks_earlier
GROUP BY ALL
HAVING {is_any}
ORDER BY ALL
