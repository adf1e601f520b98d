-- One row for each hotel whose marts were compared with its landed orders (metrics_add_up.sql): the as_of_utc and the orders
-- that they have. Source: mart.dim_enterprises, internal.check_counts.
SELECT hotels.enterprise_id, hotels.as_of_utc, counts.checked AS orders
FROM mart.dim_enterprises AS hotels
INNER JOIN internal.check_counts AS counts
    ON counts.enterprise_id = hotels.enterprise_id AND counts.check_name = 'product_service_orders.metrics_add_up';
