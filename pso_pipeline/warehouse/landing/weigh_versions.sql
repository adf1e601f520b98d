-- weighed: one row for each version at hand of each order that comes in, whether just read or held by the warehouse.
--   is_held     the warehouse holds this version as the order's current one
--   is_known    the warehouse holds some version of the order
--   is_current  this version wins: the latest updated_utc, and within one second the one that was read last
--               (UpdatedUtc has whole seconds, so two edits within one second look alike)
--   is_tied     another version of the order has the same updated_utc, or this one has none that can be believed: it may
--               become the current one again
-- A version that is read again keeps the time at which it was read first. content_hash never leaves this landing.
CREATE OR REPLACE TEMP TABLE weighed AS
WITH at_hand AS (
    SELECT *, false AS is_held FROM frame
    UNION ALL BY NAME
    SELECT stored.*, true AS is_held FROM mews.product_service_orders AS stored SEMI JOIN frame ON stored.id = frame.id
),

hashed AS (
    SELECT
        *,
        hash(
            enterprise_id, service_id, account_id, account_type, creator_profile_id, updater_profile_id, booker_id,
            number, state, origin, commander_origin, origin_details, created_utc, cancelled_utc, voucher_id, business_segment_id,
            linked_reservation_id, owner_checked_in, all_companions_checked_in, any_companion_checked_in,
            connector_check_in, extra
        ) AS content_hash
    FROM at_hand
),

versions AS (
    SELECT *, max(fetched_utc) OVER version AS last_read_utc
    FROM hashed
    WINDOW version AS (PARTITION BY id, updated_utc, content_hash)
    QUALIFY row_number() OVER (PARTITION BY id, updated_utc, content_hash ORDER BY is_held DESC, fetched_utc) = 1
)

SELECT
    *,
    bool_or(is_held) OVER (PARTITION BY id) AS is_known,
    row_number() OVER (
        PARTITION BY id
        ORDER BY
            if(updated_utc > last_read_utc + INTERVAL 1 DAY, last_read_utc, updated_utc) DESC,
            last_read_utc DESC,
            content_hash
    ) = 1 AS is_current,
    count(*) OVER (PARTITION BY id, updated_utc) > 1 OR updated_utc > last_read_utc + INTERVAL 1 DAY AS is_tied
FROM versions;
