-- Gives the services whose orders, or versions of them, have corrected times a new revision, so that their hotels are recomputed.
-- Source: mews.product_service_orders, mews.superseded_product_service_orders, future_stamps.
UPDATE mews.sync_state
SET revision = coalesce(revision, 0) + 1
WHERE endpoint = 'product_service_orders' AND scope_id IN (
    SELECT service_id FROM mews.product_service_orders WHERE fetched_utc IN (SELECT corrected FROM future_stamps)
    UNION
    SELECT service_id FROM mews.superseded_product_service_orders WHERE observed_utc IN (SELECT corrected FROM future_stamps)
);
