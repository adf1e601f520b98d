-- counted: for each hotel its orders, and those with a state, an origin, an account type or a field that the API's
-- documentation did not name when this package was written, or with a value of an unexpected type; such values of the
-- hotel itself and of its services count too. Reason: what has a column is in `extra` only where its value did not fit.
CREATE OR REPLACE TEMP TABLE counted AS
WITH kinds AS (
    SELECT
        enterprise_id,
        state,
        origin,
        commander_origin,
        account_type,
        list_concat(
            list_filter(
                json_keys(extra), lambda name: name <> 'Options' OR json_type(extra, '$.Options') <> 'OBJECT'
            ),
            list_transform(json_keys(extra, '$.Options'), lambda name: 'Options.' || name)
        ) AS fields,
        count(*) AS orders
    FROM checked_orders
    WHERE is_missing_from_source IS DISTINCT FROM TRUE
    GROUP BY ALL
),

unfit AS (
    SELECT
        enterprises.id AS enterprise_id,
        list_transform(
            list_filter(
                list_concat(
                    list_filter(
                        json_keys(enterprises.extra),
                        lambda name: name <> 'Address' OR json_type(enterprises.extra, '$.Address') <> 'OBJECT'
                    ),
                    list_transform(json_keys(enterprises.extra, '$.Address'), lambda name: 'Address.' || name)
                ),
                lambda field: list_contains($hotel_fields::VARCHAR[], field)
            ),
            lambda field: 'value of an unexpected type in ' || field || ' of the hotel'
        ) AS found
    FROM mews.enterprises AS enterprises
    SEMI JOIN checked_enterprises ON checked_enterprises.enterprise_id = enterprises.id
    UNION ALL
    SELECT
        services.enterprise_id,
        list_transform(
            list_filter(
                list_concat(
                    list_filter(
                        json_keys(services.extra),
                        lambda name: name <> 'Data' OR json_type(services.extra, '$.Data') <> 'OBJECT'
                    ),
                    list_transform(json_keys(services.extra, '$.Data'), lambda name: 'Data.' || name)
                ),
                lambda field: list_contains($service_fields::VARCHAR[], field)
            ),
            lambda field: 'value of an unexpected type in ' || field || ' of a service'
        ) AS found
    FROM mews.services AS services
    SEMI JOIN checked_enterprises ON checked_enterprises.enterprise_id = services.enterprise_id
),

odd_kinds AS (
    SELECT
        enterprise_id,
        orders AS checked,
        orders AS records,
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
            list_transform(
                fields,
                lambda field: CASE
                    WHEN list_contains($fields::VARCHAR[], field) THEN 'value of an unexpected type in '
                    ELSE 'field '
                END || field
            )
        ) AS found
    FROM kinds
    UNION ALL
    SELECT enterprise_id, 0, 1, found FROM unfit WHERE len(found) > 0
),

named AS (
    SELECT enterprise_id, string_agg(what || ': ' || records, ', ' ORDER BY records DESC, what) AS detail
    FROM (
        SELECT enterprise_id, what, sum(records)::BIGINT AS records
        FROM (SELECT enterprise_id, records, unnest(found) AS what FROM odd_kinds)
        GROUP BY enterprise_id, what
    )
    GROUP BY enterprise_id
)

SELECT
    odd_kinds.enterprise_id,
    sum(odd_kinds.checked)::BIGINT AS checked,
    coalesce(sum(odd_kinds.records) FILTER (WHERE len(odd_kinds.found) > 0), 0)::BIGINT AS violations,
    any_value(named.detail) AS detail
FROM odd_kinds
LEFT JOIN named ON named.enterprise_id = odd_kinds.enterprise_id
GROUP BY odd_kinds.enterprise_id;
