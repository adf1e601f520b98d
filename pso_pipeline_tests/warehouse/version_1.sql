-- A warehouse as version 1 of the tables left it, written out: what a person upgrades from, whatever the package says today.
CREATE SCHEMA mews;
CREATE TABLE mews.warehouse_info (schema_version INTEGER, source VARCHAR);
CREATE TABLE mews.enterprises (
    id VARCHAR, partition_key VARCHAR, name VARCHAR, time_zone_identifier VARCHAR, chain_id VARCHAR, chain_name VARCHAR,
    country_code VARCHAR, city VARCHAR, created_utc TIMESTAMP, updated_utc TIMESTAMP, linked_utc TIMESTAMP,
    is_in_scope BOOLEAN, token_fingerprint VARCHAR, extra JSON
);
CREATE TABLE mews.services (
    id VARCHAR, enterprise_id VARCHAR, name VARCHAR, kind VARCHAR, is_active BOOLEAN, created_utc TIMESTAMP,
    updated_utc TIMESTAMP, extra JSON
);
CREATE TABLE mews.product_service_orders (
    id VARCHAR, enterprise_id VARCHAR, service_id VARCHAR, account_id VARCHAR, account_type VARCHAR,
    creator_profile_id VARCHAR, updater_profile_id VARCHAR, booker_id VARCHAR, number VARCHAR, state VARCHAR, origin VARCHAR,
    commander_origin VARCHAR, origin_details VARCHAR, created_utc TIMESTAMP, updated_utc TIMESTAMP, cancelled_utc TIMESTAMP,
    voucher_id VARCHAR, business_segment_id VARCHAR, linked_reservation_id VARCHAR, owner_checked_in BOOLEAN,
    all_companions_checked_in BOOLEAN, any_companion_checked_in BOOLEAN, connector_check_in BOOLEAN, extra JSON,
    is_missing_from_source BOOLEAN, fetched_utc TIMESTAMP
);
CREATE TABLE mews.superseded_versions (
    id VARCHAR, enterprise_id VARCHAR, service_id VARCHAR, account_id VARCHAR, account_type VARCHAR,
    creator_profile_id VARCHAR, updater_profile_id VARCHAR, booker_id VARCHAR, number VARCHAR, state VARCHAR, origin VARCHAR,
    commander_origin VARCHAR, origin_details VARCHAR, created_utc TIMESTAMP, updated_utc TIMESTAMP, cancelled_utc TIMESTAMP,
    voucher_id VARCHAR, business_segment_id VARCHAR, linked_reservation_id VARCHAR, owner_checked_in BOOLEAN,
    all_companions_checked_in BOOLEAN, any_companion_checked_in BOOLEAN, connector_check_in BOOLEAN, extra JSON,
    is_missing_from_source BOOLEAN, fetched_utc TIMESTAMP, observed_utc TIMESTAMP
);
CREATE TABLE mews.rejected_records (
    operation VARCHAR, enterprise_id VARCHAR, reason VARCHAR, record JSON, observed_utc TIMESTAMP
);
CREATE TABLE mews.sync_state (
    service_id VARCHAR, enterprise_id VARCHAR, watermark_utc TIMESTAMP, full_read_started_utc TIMESTAMP,
    full_read_cursor VARCHAR, full_read_orders BIGINT, last_success_utc TIMESTAMP, last_error VARCHAR, revision BIGINT
);
CREATE TABLE mews.full_read_ids (service_id VARCHAR, id VARCHAR);
CREATE VIEW mews.product_service_order_versions AS
SELECT *, fetched_utc AS observed_utc FROM mews.product_service_orders
UNION ALL BY NAME
SELECT * FROM mews.superseded_versions;

INSERT INTO mews.warehouse_info VALUES (1, 'loopback');
INSERT INTO mews.enterprises BY NAME SELECT 'e1' AS id, 'grand-hotel-e1' AS partition_key, true AS is_in_scope;
INSERT INTO mews.services BY NAME SELECT 's1' AS id, 'e1' AS enterprise_id;
INSERT INTO mews.product_service_orders BY NAME
SELECT 'o1' AS id, 'e1' AS enterprise_id, 's1' AS service_id, 'Canceled' AS state, false AS is_missing_from_source;
INSERT INTO mews.superseded_versions BY NAME
SELECT 'o1' AS id, 'e1' AS enterprise_id, 's1' AS service_id, 'Confirmed' AS state, false AS is_missing_from_source;
INSERT INTO mews.sync_state BY NAME SELECT 's1' AS service_id, 'e1' AS enterprise_id, 1 AS revision;
