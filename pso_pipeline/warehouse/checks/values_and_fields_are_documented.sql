-- counted: for each hotel its orders, and those with a state, an origin, an account type or a field that the API's
-- documentation did not name when this package was written.
CREATE OR REPLACE TEMP TABLE counted AS
WITH kinds AS (
    SELECT
        enterprise_id,
        state,
        origin,
        commander_origin,
        account_type,
        json_keys(extra) AS fields,
        count(*) AS orders
    FROM checked_orders
    WHERE is_missing_from_source IS DISTINCT FROM TRUE
    GROUP BY ALL
),

odd_kinds AS (
    SELECT
        enterprise_id,
        orders,
        list_concat(
            list_filter([
                CASE WHEN NOT coalesce(list_contains($states::VARCHAR[], state), FALSE)
                    THEN 'state ' || coalesce(state, 'null') END,
                CASE WHEN NOT list_contains($origins::VARCHAR[], origin) THEN 'origin ' || origin END,
                CASE WHEN NOT list_contains($commander_origins::VARCHAR[], commander_origin)
                    THEN 'commander origin ' || commander_origin END,
                CASE WHEN NOT list_contains($account_types::VARCHAR[], account_type)
                    THEN 'account type ' || account_type END
            ], lambda what: what IS NOT NULL),
            list_transform(fields, lambda field: 'field ' || field)
        ) AS found
    FROM kinds
),

named AS (
    SELECT enterprise_id, string_agg(what || ': ' || orders, ', ' ORDER BY orders DESC, what) AS detail
    FROM (
        SELECT enterprise_id, what, sum(orders)::BIGINT AS orders
        FROM (SELECT enterprise_id, orders, unnest(found) AS what FROM odd_kinds)
        GROUP BY enterprise_id, what
    )
    GROUP BY enterprise_id
)

SELECT
    odd_kinds.enterprise_id,
    sum(odd_kinds.orders)::BIGINT AS checked,
    coalesce(sum(odd_kinds.orders) FILTER (WHERE len(odd_kinds.found) > 0), 0)::BIGINT AS violations,
    any_value(named.detail) AS detail
FROM odd_kinds
LEFT JOIN named ON named.enterprise_id = odd_kinds.enterprise_id
GROUP BY odd_kinds.enterprise_id;
