-- A warehouse as version 4 of the tables left it, after a first read, a change, an order that was removed and a full resync: what a
-- person upgrades from, whatever the package says today.
CREATE SCHEMA mews;
CREATE TABLE mews.access_tokens(token_fingerprint VARCHAR, listed_utc TIMESTAMP);
CREATE TABLE mews.account_key("key" VARCHAR, is_plain BOOLEAN);
CREATE TABLE mews.enterprises(id VARCHAR, partition_key VARCHAR, "name" VARCHAR, time_zone_identifier VARCHAR, chain_id
    VARCHAR, chain_name VARCHAR, country_code VARCHAR, city VARCHAR, created_utc TIMESTAMP, updated_utc TIMESTAMP, linked_utc
    TIMESTAMP, is_in_scope BOOLEAN, token_fingerprint VARCHAR, unlisted_since_utc TIMESTAMP, extra JSON);
CREATE TABLE mews.forgotten_accounts(account_hash VARCHAR, forgotten_utc TIMESTAMP);
CREATE TABLE mews.full_read_ids(service_id VARCHAR, id VARCHAR);
CREATE TABLE mews.missing_candidates(service_id VARCHAR, id VARCHAR);
CREATE TABLE mews.product_service_orders(id VARCHAR, enterprise_id VARCHAR, service_id VARCHAR, account_id VARCHAR,
    account_type VARCHAR, creator_profile_id VARCHAR, updater_profile_id VARCHAR, booker_id VARCHAR, number VARCHAR, state
    VARCHAR, origin VARCHAR, commander_origin VARCHAR, origin_details VARCHAR, created_utc TIMESTAMP, updated_utc TIMESTAMP,
    cancelled_utc TIMESTAMP, voucher_id VARCHAR, business_segment_id VARCHAR, linked_reservation_id VARCHAR, owner_checked_in
    BOOLEAN, all_companions_checked_in BOOLEAN, any_companion_checked_in BOOLEAN, connector_check_in BOOLEAN, extra JSON,
    is_missing_from_source BOOLEAN, fetched_utc TIMESTAMP);
CREATE TABLE mews.rejected_records(operation VARCHAR, enterprise_id VARCHAR, reason VARCHAR, record JSON, observed_utc
    TIMESTAMP);
CREATE TABLE mews.revised_orders(service_id VARCHAR, id VARCHAR, revision BIGINT);
CREATE TABLE mews.service_listings(enterprise_id VARCHAR, token_fingerprint VARCHAR, listed_utc TIMESTAMP, watermark_utc
    TIMESTAMP);
CREATE TABLE mews.services(id VARCHAR, enterprise_id VARCHAR, "name" VARCHAR, kind VARCHAR, is_active BOOLEAN, created_utc
    TIMESTAMP, updated_utc TIMESTAMP, unlisted_since_utc TIMESTAMP, retired_utc TIMESTAMP, extra JSON);
CREATE TABLE mews.superseded_versions(id VARCHAR, enterprise_id VARCHAR, service_id VARCHAR, account_id VARCHAR, account_type
    VARCHAR, creator_profile_id VARCHAR, updater_profile_id VARCHAR, booker_id VARCHAR, number VARCHAR, state VARCHAR, origin
    VARCHAR, commander_origin VARCHAR, origin_details VARCHAR, created_utc TIMESTAMP, updated_utc TIMESTAMP, cancelled_utc
    TIMESTAMP, voucher_id VARCHAR, business_segment_id VARCHAR, linked_reservation_id VARCHAR, owner_checked_in BOOLEAN,
    all_companions_checked_in BOOLEAN, any_companion_checked_in BOOLEAN, connector_check_in BOOLEAN, extra JSON,
    is_missing_from_source BOOLEAN, fetched_utc TIMESTAMP, observed_utc TIMESTAMP);
CREATE TABLE mews.sync_state(service_id VARCHAR, enterprise_id VARCHAR, watermark_utc TIMESTAMP, full_read_started_utc
    TIMESTAMP, full_read_cursor VARCHAR, full_read_orders BIGINT, resync_started_utc TIMESTAMP, last_success_utc TIMESTAMP,
    last_error VARCHAR, revision BIGINT);
CREATE TABLE mews.warehouse_info(schema_version INTEGER, "source" VARCHAR, warehouse_id VARCHAR, derivation_id VARCHAR);
CREATE VIEW mews.product_service_order_versions AS (SELECT *, fetched_utc AS observed_utc FROM mews.product_service_orders)
    UNION ALL BY NAME (SELECT * FROM mews.superseded_versions);

INSERT INTO mews.access_tokens BY NAME SELECT '76a27226d961' AS "token_fingerprint", TIMESTAMP '2026-03-01 12:10:00.102441' AS
    "listed_utc";
INSERT INTO mews.enterprises BY NAME SELECT 'e0000000-0000-4000-8000-000000000001' AS "id", 'grand-hotel-e0000000' AS
    "partition_key", 'Grand Hotel' AS "name", 'Europe/Prague' AS "time_zone_identifier",
    '00000001-0000-4000-8000-00000000000c' AS "chain_id", 'Scripted Hotels' AS "chain_name", 'CZ' AS "country_code", 'Praha'
    AS "city", TIMESTAMP '2020-01-01 00:00:00' AS "created_utc", TIMESTAMP '2020-01-01 00:00:00' AS "updated_utc", TIMESTAMP
    '2020-01-01 00:00:00' AS "linked_utc", true AS "is_in_scope", '76a27226d961' AS "token_fingerprint",
    '{"ExternalIdentifier":null,"DefaultLanguageCode":"en-US","LegalEnvironmentCode":"CZ"}' AS "extra";
INSERT INTO mews.missing_candidates BY NAME SELECT '50000000-0000-4000-8000-000000000001' AS "service_id",
    '00000000-0000-4000-8000-000000000003' AS "id";
INSERT INTO mews.product_service_orders BY NAME SELECT '00000000-0000-4000-8000-000000000000' AS "id",
    'e0000000-0000-4000-8000-000000000001' AS "enterprise_id", '50000000-0000-4000-8000-000000000000' AS "service_id",
    '00000004-0000-4000-8000-000000000004' AS "account_id", 'Customer' AS "account_type",
    '00000001-0000-4000-8000-00000000000d' AS "creator_profile_id", '00000001-0000-4000-8000-00000000000d' AS
    "updater_profile_id", '4' AS "number", 'Canceled' AS "state", 'Distributor' AS "origin", TIMESTAMP '2026-02-28 12:00:00'
    AS "created_utc", TIMESTAMP '2026-03-01 12:10:00' AS "updated_utc", TIMESTAMP '2026-03-01 12:10:00' AS "cancelled_utc",
    false AS "owner_checked_in", false AS "all_companions_checked_in", false AS "any_companion_checked_in", false AS
    "connector_check_in", false AS "is_missing_from_source", TIMESTAMP '2026-03-01 12:10:00.979937' AS "fetched_utc";
INSERT INTO mews.product_service_orders BY NAME SELECT '00000000-0000-4000-8000-000000000001' AS "id",
    'e0000000-0000-4000-8000-000000000001' AS "enterprise_id", '50000000-0000-4000-8000-000000000001' AS "service_id",
    '00000005-0000-4000-8000-000000000004' AS "account_id", 'Customer' AS "account_type",
    '00000001-0000-4000-8000-00000000000d' AS "creator_profile_id", '00000001-0000-4000-8000-00000000000d' AS
    "updater_profile_id", '5' AS "number", 'Confirmed' AS "state", 'Distributor' AS "origin", TIMESTAMP '2026-02-27 12:00:00'
    AS "created_utc", TIMESTAMP '2026-02-27 12:00:00' AS "updated_utc", false AS "owner_checked_in", false AS
    "all_companions_checked_in", false AS "any_companion_checked_in", false AS "connector_check_in", false AS
    "is_missing_from_source", TIMESTAMP '2026-03-01 12:00:01.493460' AS "fetched_utc";
INSERT INTO mews.product_service_orders BY NAME SELECT '00000000-0000-4000-8000-000000000002' AS "id",
    'e0000000-0000-4000-8000-000000000001' AS "enterprise_id", '50000000-0000-4000-8000-000000000000' AS "service_id",
    '00000006-0000-4000-8000-000000000004' AS "account_id", 'Customer' AS "account_type",
    '00000001-0000-4000-8000-00000000000d' AS "creator_profile_id", '00000001-0000-4000-8000-00000000000d' AS
    "updater_profile_id", '6' AS "number", 'Confirmed' AS "state", 'Distributor' AS "origin", TIMESTAMP '2026-02-26 12:00:00'
    AS "created_utc", TIMESTAMP '2026-02-26 12:00:00' AS "updated_utc", false AS "owner_checked_in", false AS
    "all_companions_checked_in", false AS "any_companion_checked_in", false AS "connector_check_in", false AS
    "is_missing_from_source", TIMESTAMP '2026-03-01 12:00:01.493460' AS "fetched_utc";
INSERT INTO mews.product_service_orders BY NAME SELECT '00000000-0000-4000-8000-000000000003' AS "id",
    'e0000000-0000-4000-8000-000000000001' AS "enterprise_id", '50000000-0000-4000-8000-000000000001' AS "service_id",
    '00000007-0000-4000-8000-000000000004' AS "account_id", 'Customer' AS "account_type",
    '00000001-0000-4000-8000-00000000000d' AS "creator_profile_id", '00000001-0000-4000-8000-00000000000d' AS
    "updater_profile_id", '7' AS "number", 'Confirmed' AS "state", 'Distributor' AS "origin", TIMESTAMP '2026-02-25 12:00:00'
    AS "created_utc", TIMESTAMP '2026-02-25 12:00:00' AS "updated_utc", false AS "owner_checked_in", false AS
    "all_companions_checked_in", false AS "any_companion_checked_in", false AS "connector_check_in", false AS
    "is_missing_from_source", TIMESTAMP '2026-03-01 12:00:01.493460' AS "fetched_utc";
INSERT INTO mews.revised_orders BY NAME SELECT '50000000-0000-4000-8000-000000000000' AS "service_id",
    '00000000-0000-4000-8000-000000000000' AS "id", 2 AS "revision";
INSERT INTO mews.service_listings BY NAME SELECT 'e0000000-0000-4000-8000-000000000001' AS "enterprise_id", '76a27226d961' AS
    "token_fingerprint", TIMESTAMP '2026-03-01 12:10:00' AS "listed_utc", TIMESTAMP '2026-03-01 12:10:00' AS "watermark_utc";
INSERT INTO mews.services BY NAME SELECT '50000000-0000-4000-8000-000000000001' AS "id",
    'e0000000-0000-4000-8000-000000000001' AS "enterprise_id", 'Spa' AS "name", 'Additional' AS "kind", true AS "is_active",
    TIMESTAMP '2020-01-01 00:00:00' AS "created_utc", TIMESTAMP '2020-01-01 00:00:00' AS "updated_utc",
    '{"ExternalIdentifier":null,"Options":{"BillAsPackage":false},"Data":{"Value":{}}}' AS "extra";
INSERT INTO mews.services BY NAME SELECT '50000000-0000-4000-8000-000000000000' AS "id",
    'e0000000-0000-4000-8000-000000000001' AS "enterprise_id", 'Breakfast' AS "name", 'Additional' AS "kind", true AS
    "is_active", TIMESTAMP '2020-01-01 00:00:00' AS "created_utc", TIMESTAMP '2020-01-01 00:00:00' AS "updated_utc",
    '{"ExternalIdentifier":null,"Options":{"BillAsPackage":false},"Data":{"Value":{}}}' AS "extra";
INSERT INTO mews.superseded_versions BY NAME SELECT '00000000-0000-4000-8000-000000000000' AS "id",
    'e0000000-0000-4000-8000-000000000001' AS "enterprise_id", '50000000-0000-4000-8000-000000000000' AS "service_id",
    '00000004-0000-4000-8000-000000000004' AS "account_id", 'Customer' AS "account_type",
    '00000001-0000-4000-8000-00000000000d' AS "creator_profile_id", '00000001-0000-4000-8000-00000000000d' AS
    "updater_profile_id", '4' AS "number", 'Confirmed' AS "state", 'Distributor' AS "origin", TIMESTAMP '2026-02-28 12:00:00'
    AS "created_utc", TIMESTAMP '2026-02-28 12:00:00' AS "updated_utc", false AS "owner_checked_in", false AS
    "all_companions_checked_in", false AS "any_companion_checked_in", false AS "connector_check_in", false AS
    "is_missing_from_source", TIMESTAMP '2026-03-01 12:00:01.493460' AS "fetched_utc", TIMESTAMP '2026-03-01 12:00:01.493460'
    AS "observed_utc";
INSERT INTO mews.sync_state BY NAME SELECT '50000000-0000-4000-8000-000000000000' AS "service_id",
    'e0000000-0000-4000-8000-000000000001' AS "enterprise_id", TIMESTAMP '2026-03-01 12:10:00' AS "watermark_utc", TIMESTAMP
    '2026-03-01 12:10:01.020455' AS "last_success_utc", 2 AS "revision";
INSERT INTO mews.sync_state BY NAME SELECT '50000000-0000-4000-8000-000000000001' AS "service_id",
    'e0000000-0000-4000-8000-000000000001' AS "enterprise_id", TIMESTAMP '2026-03-01 12:10:00' AS "watermark_utc", TIMESTAMP
    '2026-03-01 12:10:01.020455' AS "last_success_utc", 1 AS "revision";
INSERT INTO mews.warehouse_info BY NAME SELECT 4 AS "schema_version", '8f8c52ab-5bac-4f1e-9ce0-1ca0606ff031' AS
    "warehouse_id";
