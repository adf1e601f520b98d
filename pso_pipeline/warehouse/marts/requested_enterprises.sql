-- requested_enterprises: one row for each enterprise whose metrics are brought up to date: $enterprise_ids, or all that the
-- warehouse knows or the marts hold; of a range of hotels, those whose ids hash into number $range_number of $ranges. Without
-- those that this call has computed, $computed_ids.
-- Source: enterprise_inputs, mews.sync_state, mews.changed_records, mews.product_service_orders,
-- internal.computed_enterprises, internal.computed_services.
--   previous_midnight_utc     the midnight that its metrics were computed with before
--   are_all_orders_affected   its id is in $enterprise_ids, or something changed and nothing says which orders it concerns
--   are_some_orders_affected  mews.changed_records names every order that changed since its facts were computed: the same
--                             services, read to their end, each of their newer revisions noted, the same time zone and online
--                             check-in. Notes of older revisions are left where a process was killed: then nothing is traced.
--   batch                     hotels are computed together up to about $orders_per_batch affected orders, neighbors by id
CREATE OR REPLACE TEMP TABLE requested_enterprises AS
WITH services AS (
    SELECT
        coalesce(progress.enterprise_id, computed.enterprise_id) AS enterprise_id,
        coalesce(progress.scope_id, computed.service_id) AS service_id,
        computed.revision AS previous_revision,
        coalesce(progress.revision, 0) AS revision
    FROM (
        FROM mews.sync_state WHERE endpoint = 'product_service_orders' AND watermark_utc IS NOT NULL
    ) AS progress
    FULL JOIN internal.computed_services AS computed
        ON computed.service_id = progress.scope_id AND computed.enterprise_id = progress.enterprise_id
),

notes AS (
    SELECT
        services.service_id,
        count(DISTINCT records.revision) FILTER (WHERE records.revision > services.previous_revision) AS newer,
        count(*) FILTER (WHERE records.revision <= services.previous_revision) AS older
    FROM mews.changed_records AS records
    INNER JOIN services ON services.service_id = records.scope_id
    WHERE records.endpoint = 'product_service_orders'
    GROUP BY services.service_id
),

traced AS (
    SELECT services.enterprise_id
    FROM services
    LEFT JOIN notes ON notes.service_id = services.service_id
    GROUP BY services.enterprise_id
    HAVING bool_and(
        coalesce(services.revision - services.previous_revision = coalesce(notes.newer, 0), FALSE)
        AND coalesce(notes.older, 0) = 0
    )
),

requested AS (
    SELECT
        coalesce(inputs.enterprise_id, computed.enterprise_id) AS enterprise_id,
        inputs.time_zone,
        inputs.as_of_utc,
        inputs.last_midnight_utc,
        inputs.requires_all_companions,
        computed.last_midnight_utc AS previous_midnight_utc,
        inputs.input_digest IS DISTINCT FROM computed.input_digest AS is_changed,
        list_contains($enterprise_ids::VARCHAR[], coalesce(inputs.enterprise_id, computed.enterprise_id)) AS is_named,
        traced.enterprise_id IS NOT NULL
        AND computed.time_zone = inputs.time_zone
        AND computed.requires_all_companions = inputs.requires_all_companions AS is_traced
    FROM enterprise_inputs AS inputs
    FULL JOIN internal.computed_enterprises AS computed ON computed.enterprise_id = inputs.enterprise_id
    LEFT JOIN traced ON traced.enterprise_id = inputs.enterprise_id
),

affected AS (
    SELECT
        * EXCLUDE (is_changed, is_named, is_traced),
        is_named OR is_changed AND NOT coalesce(is_traced, FALSE) AS are_all_orders_affected,
        is_changed AND NOT are_all_orders_affected AS are_some_orders_affected
    FROM requested
    WHERE
        ($are_all_requested OR is_named)
        AND CAST('0x' || left(md5(enterprise_id), 8) AS BIGINT) % $ranges = $range_number - 1
        AND enterprise_id NOT IN (SELECT unnest($computed_ids::VARCHAR[]))
),

sizes AS (
    SELECT orders.enterprise_id, count(*) AS orders
    FROM mews.product_service_orders AS orders
    SEMI JOIN (FROM affected WHERE are_all_orders_affected) AS whole ON whole.enterprise_id = orders.enterprise_id
    GROUP BY orders.enterprise_id
)

SELECT
    affected.*,
    CAST(dense_rank() OVER (ORDER BY affected.time_zone) AS INTEGER) AS zone,
    coalesce(sum(sizes.orders) OVER (ORDER BY affected.enterprise_id) - sizes.orders, 0) // $orders_per_batch AS batch
FROM affected
LEFT JOIN sizes ON sizes.enterprise_id = affected.enterprise_id;
