-- told_enterprises: one row for each enterprise looked at of which mews.changed_records tells every order that changed since its
-- facts were made: the same services, read to their end, each of its newer revisions told, the same time zone and the same online check-in.
-- Orders of revisions that the facts were made from are forgotten; where some are left, the derivation before was killed, and
-- nothing is taken for told.
-- Source: requested_enterprises, mews.sync_state, mews.changed_records, marts.internal.derived_services,
-- marts.internal.derived_enterprises, mart.dim_enterprises.
CREATE OR REPLACE TEMP TABLE told_enterprises AS
WITH services AS (
    SELECT
        coalesce(progress.enterprise_id, derived.enterprise_id) AS enterprise_id,
        coalesce(progress.service_id, derived.service_id) AS service_id,
        derived.revision AS previous_revision,
        progress.revision
    FROM (
        SELECT scope_id AS service_id, enterprise_id, coalesce(revision, 0) AS revision
        FROM mews.sync_state
        WHERE endpoint = 'product_service_orders' AND watermark_utc IS NOT NULL
    ) AS progress
    FULL JOIN marts.internal.derived_services AS derived
        ON derived.service_id = progress.service_id AND derived.enterprise_id = progress.enterprise_id
),

told AS (
    SELECT
        services.service_id,
        count(DISTINCT revised.revision) FILTER (WHERE revised.revision > services.previous_revision) AS newer,
        count(*) FILTER (WHERE revised.revision <= services.previous_revision) AS left_over
    FROM mews.changed_records AS revised
    INNER JOIN services ON services.service_id = revised.scope_id
    WHERE revised.endpoint = 'product_service_orders'
    GROUP BY services.service_id
)

SELECT requested.enterprise_id
FROM requested_enterprises AS requested
INNER JOIN mart.dim_enterprises AS made
    ON made.enterprise_id = requested.enterprise_id AND made.time_zone = requested.time_zone
INNER JOIN marts.internal.derived_enterprises AS derived
    ON
        derived.enterprise_id = requested.enterprise_id
        AND derived.requires_all_companions = requested.requires_all_companions
INNER JOIN services ON services.enterprise_id = requested.enterprise_id
LEFT JOIN told ON told.service_id = services.service_id
WHERE requested.is_stale
GROUP BY requested.enterprise_id
HAVING
    bool_and(
        coalesce(
            services.revision - services.previous_revision = coalesce(told.newer, 0) AND coalesce(told.left_over, 0) = 0,
            FALSE
        )
    );

UPDATE requested_enterprises
SET is_stale = FALSE, is_revised = TRUE
WHERE enterprise_id IN (SELECT enterprise_id FROM told_enterprises);
