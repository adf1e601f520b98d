-- One row for each hotel, service, product name and day of the next $days: booked and expected units, and the first of all days.
-- Source: mart.agg_consumption_ahead, mart.dim_enterprises. Beyond the $max_products names of the most units, products are added up.
-- Reason for leaving hotels out: tomorrow is another day for one whose items were read up to an earlier one. Time zones make a
-- day of difference. What is expected of a part is missing from no sum: it is null then.
WITH newest AS (
    SELECT max(CAST(timezone(time_zone, timezone('UTC', items_as_of_utc)) AS DATE)) AS today FROM mart.dim_enterprises
),

ahead AS (
    SELECT ahead.*, coalesce(products.product_name, 'Without a product') AS product
    FROM mart.agg_consumption_ahead AS ahead
    LEFT JOIN mart.dim_products AS products ON products.product_id = ahead.product_id
    WHERE ahead.days_ahead <= $days AND ahead.date - ahead.days_ahead >= (SELECT today FROM newest) - 1
),

ranked AS (
    SELECT product, row_number() OVER (ORDER BY sum(booked_quantity) DESC, product) AS rank FROM ahead GROUP BY product
),

placed AS (
    SELECT
        hotels.position AS hotel,
        services.position AS service,
        CASE WHEN ranked.rank <= $max_products THEN ahead.product ELSE 'All other products' END AS product,
        ahead.date,
        sum(ahead.booked_quantity)::BIGINT AS booked,
        CASE WHEN count(*) = count(ahead.expected_quantity) THEN round(sum(ahead.expected_quantity), 4) END AS expected
    FROM ahead
    INNER JOIN ranked ON ranked.product = ahead.product
    INNER JOIN hotels ON hotels.enterprise_id = ahead.enterprise_id
    INNER JOIN services ON services.service_id = ahead.service_id
    GROUP BY ALL
)

SELECT
    min(date) OVER () AS first,
    hotel,
    service,
    product,
    date - min(date) OVER () AS day,
    booked,
    expected
FROM placed
ORDER BY hotel, service, product, day
