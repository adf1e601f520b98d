-- Corrects fetched_utc in mews.superseded_product_service_orders where it lies in the future. Source: future_stamps.
UPDATE mews.superseded_product_service_orders AS stored
SET fetched_utc = future_stamps.corrected
FROM future_stamps
WHERE future_stamps.stamp = stored.fetched_utc;
