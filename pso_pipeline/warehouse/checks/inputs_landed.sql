-- check_inputs: one row for each hotel with a digest of what landed, and one with an empty id for records without a hotel.
-- A template: {{endpoint}} is the endpoint's name as a text. Source: mews.sync_state and enterprise_inputs
-- (marts/enterprise_inputs.sql). $definition changes with the checks themselves.
CREATE OR REPLACE TEMP TABLE check_inputs AS
WITH landed AS (
    SELECT enterprise_id, string_agg(scope_id || ':' || coalesce(revision, 0), ',' ORDER BY scope_id) AS revisions
    FROM mews.sync_state
    WHERE endpoint = {{endpoint}} AND watermark_utc IS NOT NULL
    GROUP BY enterprise_id
),

inputs AS (
    SELECT hotels.enterprise_id, concat_ws(';', hotels.input_digest, landed.revisions) AS input_digest
    FROM enterprise_inputs AS hotels
    LEFT JOIN landed ON landed.enterprise_id = hotels.enterprise_id
)

SELECT enterprise_id, md5(concat_ws(';', $definition, input_digest)) AS input_digest FROM inputs
UNION ALL
SELECT '', md5(concat_ws(';', $definition, string_agg(input_digest, ',' ORDER BY enterprise_id))) FROM inputs;
