-- requested_enterprises: one row for each enterprise whose metrics are brought up to date: $enterprise_ids, or all that the
-- warehouse knows or the marts hold; of a range of hotels, those whose ids hash into number $range_number of $ranges. Without
-- those that this call has computed, $computed_ids.
-- Source: enterprise_inputs, mews.sync_state, mews.changed_records, mews.product_service_orders, mews.order_items,
-- internal.computed_enterprises, internal.computed_scopes.
--   previous_midnight_utc     the midnight that its metrics were computed with before
--   are_all_orders_affected   its id is in $enterprise_ids, or something changed and nothing says which orders it concerns
--   are_some_orders_affected  mews.changed_records names every order and item that changed since its facts were computed: the same
--                             scopes, read to their end, each of their newer revisions noted, the same time zone and online
--                             check-in. Notes of older revisions are left where a process was killed: then nothing is traced.
--   batch                     hotels are computed together up to about $orders_per_batch affected orders and items, neighbors by id
CREATE OR REPLACE TEMP TABLE requested_enterprises AS
WITH scopes AS (
    SELECT
        coalesce(progress.endpoint, computed.endpoint) AS endpoint,
        coalesce(progress.enterprise_id, computed.enterprise_id) AS enterprise_id,
        coalesce(progress.scope_id, computed.scope_id) AS scope_id,
        computed.revision AS previous_revision,
        coalesce(progress.revision, 0) AS revision
    FROM (
        FROM mews.sync_state
        WHERE endpoint IN ('product_service_orders', 'order_items') AND watermark_utc IS NOT NULL
    ) AS progress
    FULL JOIN internal.computed_scopes AS computed
        ON
            computed.endpoint = progress.endpoint
            AND computed.scope_id = progress.scope_id
            AND computed.enterprise_id = progress.enterprise_id
),

notes AS (
    SELECT
        scopes.endpoint,
        scopes.scope_id,
        count(DISTINCT records.revision) FILTER (WHERE records.revision > scopes.previous_revision) AS newer,
        count(*) FILTER (WHERE records.revision <= scopes.previous_revision) AS older
    FROM mews.changed_records AS records
    INNER JOIN scopes ON scopes.endpoint = records.endpoint AND scopes.scope_id = records.scope_id
    GROUP BY scopes.endpoint, scopes.scope_id
),

traced AS (
    SELECT scopes.enterprise_id
    FROM scopes
    LEFT JOIN notes ON notes.endpoint = scopes.endpoint AND notes.scope_id = scopes.scope_id
    GROUP BY scopes.enterprise_id
    HAVING bool_and(
        coalesce(scopes.revision - scopes.previous_revision = coalesce(notes.newer, 0), FALSE)
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
        inputs.items_as_of_utc,
        inputs.items_date,
        inputs.items_midnight_utc,
        computed.last_midnight_utc AS previous_midnight_utc,
        computed.items_midnight_utc AS previous_items_midnight_utc,
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
    SELECT records.enterprise_id, count(*) AS records
    FROM (
        SELECT enterprise_id FROM mews.product_service_orders
        UNION ALL
        SELECT enterprise_id FROM mews.order_items
    ) AS records
    SEMI JOIN (FROM affected WHERE are_all_orders_affected) AS whole ON whole.enterprise_id = records.enterprise_id
    GROUP BY records.enterprise_id
)

SELECT
    affected.*,
    CAST(dense_rank() OVER (ORDER BY affected.time_zone) AS INTEGER) AS zone,
    coalesce(sum(sizes.records) OVER (ORDER BY affected.enterprise_id) - sizes.records, 0) // $orders_per_batch AS batch
FROM affected
LEFT JOIN sizes ON sizes.enterprise_id = affected.enterprise_id;
