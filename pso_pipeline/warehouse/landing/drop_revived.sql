-- Takes from mews.superseded_product_service_orders a version that is the current one again: two edits within one second can be read in
-- turns, and each version is kept once.
DELETE FROM mews.superseded_product_service_orders AS kept
USING weighed
WHERE
    weighed.is_current
    AND weighed.is_tied
    AND kept.id = weighed.id
    AND kept.updated_utc = weighed.updated_utc
    AND hash(
        kept.enterprise_id, kept.service_id, kept.account_id, kept.account_type, kept.creator_profile_id,
        kept.updater_profile_id, kept.booker_id, kept.number, kept.state, kept.origin, kept.commander_origin, kept.origin_details,
        kept.created_utc, kept.cancelled_utc, kept.voucher_id, kept.business_segment_id,
        kept.linked_reservation_id, kept.owner_checked_in, kept.all_companions_checked_in,
        kept.any_companion_checked_in, kept.connector_check_in, kept.extra
    ) = weighed.content_hash;
