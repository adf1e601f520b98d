-- Adds to mews.superseded_product_service_orders each version at hand that is not the current one and is not kept yet: the ones that are
-- replaced now, and older ones that were read late.
INSERT INTO mews.superseded_product_service_orders BY NAME
SELECT
    weighed.* EXCLUDE (is_held, content_hash, last_read_utc, is_known, is_current, is_tied),
    weighed.fetched_utc AS observed_utc
FROM weighed
WHERE
    NOT weighed.is_current
    AND NOT EXISTS (
        SELECT 1
        FROM mews.superseded_product_service_orders AS kept
        WHERE
            kept.id = weighed.id
            AND kept.updated_utc = weighed.updated_utc
            AND hash(
                kept.enterprise_id, kept.service_id, kept.account_id, kept.account_type, kept.creator_profile_id,
                kept.updater_profile_id, kept.booker_id, kept.number, kept.state, kept.origin, kept.commander_origin, kept.origin_details,
                kept.created_utc, kept.cancelled_utc, kept.voucher_id, kept.business_segment_id,
                kept.linked_reservation_id, kept.owner_checked_in, kept.all_companions_checked_in,
                kept.any_companion_checked_in, kept.connector_check_in, kept.extra
            ) = weighed.content_hash
    );
