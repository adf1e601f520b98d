-- future_stamps: one row for each time after $latest at which an order was read, with the one that replaces it: $now, and in
-- the same order. Source: mews.product_service_orders, mews.superseded_product_service_orders.
CREATE OR REPLACE TEMP TABLE future_stamps AS
WITH stamps AS (
    SELECT fetched_utc AS stamp FROM mews.product_service_orders WHERE fetched_utc > $latest
    UNION
    SELECT fetched_utc AS stamp FROM mews.superseded_product_service_orders WHERE fetched_utc > $latest
    UNION
    SELECT observed_utc AS stamp FROM mews.superseded_product_service_orders WHERE observed_utc > $latest
)

SELECT stamp, $now::TIMESTAMP - to_microseconds(row_number() OVER (ORDER BY stamp DESC)) AS corrected
FROM stamps;
