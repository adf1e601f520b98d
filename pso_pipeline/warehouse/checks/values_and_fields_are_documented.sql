-- counted: for each hotel its orders, and those with a state, an origin, an account type or a field that the API's
-- documentation did not name when this package was written.
CREATE OR REPLACE TEMP TABLE counted AS
WITH own AS (
    SELECT id, coalesce(enterprise_id, '') AS enterprise_id, state, origin, commander_origin, account_type, extra
    FROM mews.product_service_orders
    WHERE
        coalesce(enterprise_id, '') IN (SELECT enterprise_id FROM checked_enterprises)
        AND is_missing_from_source IS DISTINCT FROM TRUE
),

found AS (
    SELECT id, enterprise_id, 'state ' || coalesce(state, 'null') AS what
    FROM own WHERE NOT coalesce(list_contains($states::VARCHAR[], state), FALSE)
    UNION ALL
    SELECT id, enterprise_id, 'origin ' || origin FROM own WHERE NOT list_contains($origins::VARCHAR[], origin)
    UNION ALL
    SELECT id, enterprise_id, 'commander origin ' || commander_origin
    FROM own WHERE NOT list_contains($commander_origins::VARCHAR[], commander_origin)
    UNION ALL
    SELECT id, enterprise_id, 'account type ' || account_type
    FROM own WHERE NOT list_contains($account_types::VARCHAR[], account_type)
    UNION ALL
    SELECT id, enterprise_id, 'field ' || unnest(json_keys(extra)) FROM own WHERE extra IS NOT NULL
),

named AS (
    SELECT enterprise_id, string_agg(what || ': ' || orders, ', ' ORDER BY orders DESC, what) AS detail
    FROM (SELECT enterprise_id, what, count(*) AS orders FROM found GROUP BY enterprise_id, what)
    GROUP BY enterprise_id
)

SELECT
    own.enterprise_id,
    count(*) AS checked,
    (SELECT count(DISTINCT found.id) FROM found WHERE found.enterprise_id = own.enterprise_id) AS violations,
    any_value(named.detail) AS detail
FROM own
LEFT JOIN named ON named.enterprise_id = own.enterprise_id
GROUP BY own.enterprise_id;
