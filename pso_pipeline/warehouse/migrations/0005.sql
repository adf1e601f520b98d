-- Version 5 keys progress, and what landings note for later, by endpoint and scope: until now the only scope was the service of
-- product service orders. Watermarks, cursors and notes stay, so the next refresh continues where the last one ended.
DROP VIEW mews.product_service_order_versions;
ALTER TABLE mews.superseded_versions RENAME TO superseded_product_service_orders;
CREATE VIEW mews.product_service_order_versions AS
SELECT *, fetched_utc AS observed_utc FROM mews.product_service_orders
UNION ALL BY NAME
SELECT * FROM mews.superseded_product_service_orders;

CREATE TABLE mews.sync_state_by_scope AS
SELECT
    'product_service_orders' AS endpoint,
    service_id AS scope_id,
    enterprise_id,
    watermark_utc,
    full_read_started_utc,
    full_read_cursor,
    full_read_orders AS full_read_records,
    resync_started_utc,
    last_success_utc,
    last_error,
    revision
FROM mews.sync_state;
DROP TABLE mews.sync_state;
ALTER TABLE mews.sync_state_by_scope RENAME TO sync_state;

CREATE TABLE mews.changed_records AS
SELECT 'product_service_orders' AS endpoint, service_id AS scope_id, id, revision FROM mews.revised_orders;
DROP TABLE mews.revised_orders;

CREATE TABLE mews.full_read_ids_by_scope AS
SELECT 'product_service_orders' AS endpoint, service_id AS scope_id, id FROM mews.full_read_ids;
DROP TABLE mews.full_read_ids;
ALTER TABLE mews.full_read_ids_by_scope RENAME TO full_read_ids;

CREATE TABLE mews.missing_candidates_by_scope AS
SELECT 'product_service_orders' AS endpoint, service_id AS scope_id, id FROM mews.missing_candidates;
DROP TABLE mews.missing_candidates;
ALTER TABLE mews.missing_candidates_by_scope RENAME TO missing_candidates;
