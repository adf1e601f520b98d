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
