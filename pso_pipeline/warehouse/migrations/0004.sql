-- Version 4 remembers what listings and full reads no longer find, so that nothing is given up after one answer alone.
-- Empty at first: whatever is not found now is not found for the first time.
ALTER TABLE mews.enterprises ADD COLUMN unlisted_since_utc TIMESTAMP;
ALTER TABLE mews.services ADD COLUMN unlisted_since_utc TIMESTAMP;
ALTER TABLE mews.services ADD COLUMN retired_utc TIMESTAMP;
ALTER TABLE mews.sync_state ADD COLUMN resync_started_utc TIMESTAMP;
ALTER TABLE mews.warehouse_info ADD COLUMN warehouse_id VARCHAR;
ALTER TABLE mews.warehouse_info ADD COLUMN derivation_id VARCHAR;
UPDATE mews.warehouse_info SET warehouse_id = uuid();
CREATE TABLE mews.access_tokens (token_fingerprint VARCHAR, listed_utc TIMESTAMP);
CREATE TABLE mews.missing_candidates (service_id VARCHAR, id VARCHAR);

-- It also keeps the key of the hashes of account ids, and the hashes of accounts that were forgotten.
CREATE TABLE mews.account_key (key VARCHAR, is_plain BOOLEAN);
CREATE TABLE mews.forgotten_accounts (account_hash VARCHAR, forgotten_utc TIMESTAMP);

-- And it holds the API's ids in lower case, as records are read since.
UPDATE mews.enterprises SET id = lower(id), chain_id = lower(chain_id)
WHERE concat(id, chain_id) <> lower(concat(id, chain_id));
UPDATE mews.services SET id = lower(id), enterprise_id = lower(enterprise_id)
WHERE concat(id, enterprise_id) <> lower(concat(id, enterprise_id));
UPDATE mews.sync_state SET service_id = lower(service_id), enterprise_id = lower(enterprise_id)
WHERE concat(service_id, enterprise_id) <> lower(concat(service_id, enterprise_id));
UPDATE mews.service_listings SET enterprise_id = lower(enterprise_id) WHERE enterprise_id <> lower(enterprise_id);
UPDATE mews.rejected_records SET enterprise_id = lower(enterprise_id) WHERE enterprise_id <> lower(enterprise_id);
UPDATE mews.full_read_ids SET id = lower(id), service_id = lower(service_id)
WHERE concat(id, service_id) <> lower(concat(id, service_id));
UPDATE mews.revised_orders SET id = lower(id), service_id = lower(service_id)
WHERE concat(id, service_id) <> lower(concat(id, service_id));
UPDATE mews.product_service_orders SET
    id = lower(id),
    enterprise_id = lower(enterprise_id),
    service_id = lower(service_id),
    account_id = lower(account_id),
    creator_profile_id = lower(creator_profile_id),
    updater_profile_id = lower(updater_profile_id),
    booker_id = lower(booker_id),
    voucher_id = lower(voucher_id),
    business_segment_id = lower(business_segment_id),
    linked_reservation_id = lower(linked_reservation_id)
WHERE regexp_matches(concat_ws(' ', id, enterprise_id, service_id, account_id, creator_profile_id, updater_profile_id, booker_id, voucher_id,
    business_segment_id, linked_reservation_id), '[A-Z]');
UPDATE mews.superseded_versions SET
    id = lower(id),
    enterprise_id = lower(enterprise_id),
    service_id = lower(service_id),
    account_id = lower(account_id),
    creator_profile_id = lower(creator_profile_id),
    updater_profile_id = lower(updater_profile_id),
    booker_id = lower(booker_id),
    voucher_id = lower(voucher_id),
    business_segment_id = lower(business_segment_id),
    linked_reservation_id = lower(linked_reservation_id)
WHERE regexp_matches(concat_ws(' ', id, enterprise_id, service_id, account_id, creator_profile_id, updater_profile_id, booker_id, voucher_id,
    business_segment_id, linked_reservation_id), '[A-Z]');
