-- Gives the services whose orders, or versions of them, have corrected times a new revision, so that their hotels are recomputed.
-- Source: mews.product_service_orders, mews.superseded_versions, future_stamps.
UPDATE mews.sync_state
SET revision = coalesce(revision, 0) + 1
WHERE service_id IN (
    SELECT service_id FROM mews.product_service_orders WHERE fetched_utc IN (SELECT corrected FROM future_stamps)
    UNION
    SELECT service_id FROM mews.superseded_versions WHERE observed_utc IN (SELECT corrected FROM future_stamps)
);
