-- The five records of each of the enterprises $enterprise_ids that changed last, for a preview: no ids, nothing personal.
-- A template: {{table}} is the table of the endpoint's records, {{shown}} the columns.
-- Only the times of all records are sorted: sorting whole rows takes much memory.
WITH latest AS (
    SELECT enterprise_id, list_min(max(updated_utc, 5)) AS since_utc
    FROM {{table}}
    WHERE enterprise_id IN (SELECT unnest($enterprise_ids::VARCHAR[])) AND is_missing_from_source IS DISTINCT FROM TRUE
    GROUP BY enterprise_id
)

SELECT records.enterprise_id, {{shown}}
FROM {{table}} AS records
INNER JOIN latest ON latest.enterprise_id = records.enterprise_id AND records.updated_utc >= latest.since_utc
WHERE records.is_missing_from_source IS DISTINCT FROM TRUE
QUALIFY row_number() OVER (PARTITION BY records.enterprise_id ORDER BY records.updated_utc DESC, records.id) <= 5
ORDER BY records.enterprise_id, records.updated_utc DESC;
