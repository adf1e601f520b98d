-- state_changes: one row for each observed change of an order's state in the batch, its first sight included.
-- Source: versions_at_hand, in the order of updated_utc, then observed_utc.
-- Orders that the source no longer has are left out, as they are of the facts.
-- Reason: what is put in order has no more columns than that takes; of all that a batch does, it needs the most memory.
CREATE OR REPLACE TEMP TABLE state_changes AS
WITH changes AS (
    SELECT
        versions.id AS order_id,
        versions.service_id,
        lag(versions.state) OVER history AS from_state,
        versions.state AS to_state,
        versions.updated_utc AS changed_at,
        versions.observed_utc AS observed_at,
        row_number() OVER history AS version_number
    FROM versions_at_hand AS versions
    SEMI JOIN stale_services AS services
        ON services.service_id = versions.service_id AND services.enterprise_id = versions.enterprise_id
    ANTI JOIN (SELECT id FROM mews.product_service_orders WHERE is_missing_from_source) AS missing
        ON missing.id = versions.id
    WINDOW history AS (PARTITION BY versions.id ORDER BY versions.updated_utc, versions.observed_utc, versions.state)
    QUALIFY version_number = 1 OR to_state IS DISTINCT FROM from_state
)

SELECT
    changes.order_id,
    services.enterprise_id,
    changes.service_id,
    services.time_zone,
    changes.from_state,
    changes.to_state,
    changes.changed_at,
    changes.observed_at,
    changes.version_number
FROM changes
INNER JOIN stale_services AS services ON services.service_id = changes.service_id;
