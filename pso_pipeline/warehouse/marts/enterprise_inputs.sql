-- enterprise_inputs: one row for each enterprise that the warehouse knows, with everything that decides its figures.
-- Source: mews.enterprises, mews.sync_state. Reason: compared with internal.derived_enterprises it tells what is stale.
--   as_of_utc     the earliest watermark of its services; a service without one has never been read to its end, and its
--                 orders are left out until it has
--   time_zone     its own, or UTC where that is missing or not an IANA zone: one bad name must not stop the others
--   input_digest  changes whenever its facts may
CREATE OR REPLACE TEMP TABLE enterprise_inputs AS
WITH progress AS (
    SELECT
        enterprise_id,
        min(watermark_utc) AS as_of_utc,
        string_agg(service_id || ':' || coalesce(revision, 0), ',' ORDER BY service_id)
            FILTER (WHERE watermark_utc IS NOT NULL) AS revisions
    FROM mews.sync_state
    GROUP BY enterprise_id
),

zones AS (
    SELECT lower(name) AS key, min(name) AS name FROM pg_timezone_names() GROUP BY lower(name)
)

SELECT
    coalesce(enterprises.id, progress.enterprise_id) AS enterprise_id,
    enterprises.name AS enterprise_name,
    enterprises.partition_key,
    coalesce(zones.name, 'UTC') AS time_zone,
    enterprises.chain_name,
    enterprises.country_code,
    enterprises.city,
    enterprises.is_in_scope,
    progress.as_of_utc,
    md5(concat_ws(';', coalesce(zones.name, 'UTC'), progress.revisions)) AS input_digest
FROM mews.enterprises AS enterprises
FULL JOIN progress ON progress.enterprise_id = enterprises.id
LEFT JOIN zones ON zones.key = lower(enterprises.time_zone_identifier);
