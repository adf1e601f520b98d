-- One row for each hotel whose marts were compared with its landed orders (metrics_add_up.sql): the as_of_utc and the orders
-- that they have. Source: mart.dim_enterprises, marts.internal.derived_enterprises, marts.internal.check_counts.
SELECT derived.enterprise_id, enterprises.as_of_utc, counts.checked AS orders
FROM marts.internal.derived_enterprises AS derived
INNER JOIN mart.dim_enterprises AS enterprises ON enterprises.enterprise_id = derived.enterprise_id
INNER JOIN marts.internal.check_counts AS counts
    ON counts.enterprise_id = derived.enterprise_id AND counts.check_name = 'metrics_add_up';
