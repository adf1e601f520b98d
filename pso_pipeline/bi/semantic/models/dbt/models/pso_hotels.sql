SELECT *, coalesce(is_in_scope AND as_of_utc IS NOT NULL, FALSE) AS is_counted
FROM {{ source('pso_bi', 'dim_enterprises') }}
