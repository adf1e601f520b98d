-- enterprise_inputs: one row for each enterprise that the warehouse knows, with everything that decides its figures.
-- Source: mews.enterprises, mews.services, mews.sync_state, internal.all_companions_environments,
-- internal.windows_zones. Reason: compared with internal.computed_enterprises it shows what changed.
--   as_of_utc                the earliest watermark of its services in use (orders are made against them, and they are not
--                            retired); null as long as one was never read to its end, whose orders are left out until then
--   as_of_date               the last local day that was over at as_of_utc
--   last_midnight_utc        the end of that day; maturity is measured from here. It stays known where a service was never
--                            read: the orders of the others grow old all the same
--   items_as_of_utc          the watermark of its order items; null where they are not read, or were never read to their end
--   items_date               the local day of items_as_of_utc, which items_midnight_utc begins; what is consumed before it was
--                            consumed, what is consumed on it or later is booked
--   time_zone                its own as the IANA database or Windows names it, or UTC where it has none of these: one bad name
--                            must not stop the others
--   is_time_zone_known       false where it is UTC because of that
--   requires_all_companions  whether online check-in takes all companions
--   input_digest             changes whenever its facts may, time aside
CREATE OR REPLACE TEMP TABLE enterprise_inputs AS
WITH services AS (
    SELECT
        coalesce(progress.enterprise_id, services.enterprise_id) AS enterprise_id,
        progress.scope_id AS service_id,
        progress.watermark_utc,
        progress.revision,
        services.kind IS DISTINCT FROM 'Bookable' AND services.retired_utc IS NULL AS is_in_use
    FROM (FROM mews.sync_state WHERE endpoint = 'product_service_orders') AS progress
    FULL JOIN mews.services AS services ON services.id = progress.scope_id
),

progress AS (
    SELECT
        enterprise_id,
        count(service_id) AS started_services,
        coalesce(min(watermark_utc) FILTER (WHERE is_in_use), min(watermark_utc)) AS read_until_utc,
        bool_or(is_in_use AND watermark_utc IS NULL) AS is_partly_unread,
        string_agg(service_id || ':' || coalesce(revision, 0), ',' ORDER BY service_id)
            FILTER (WHERE watermark_utc IS NOT NULL) AS revisions
    FROM services
    GROUP BY enterprise_id
),

items AS (
    SELECT
        enterprise_id,
        min(watermark_utc) AS watermark_utc,
        string_agg(scope_id || ':' || coalesce(revision, 0), ',' ORDER BY scope_id) AS revisions
    FROM mews.sync_state
    WHERE endpoint = 'order_items' AND watermark_utc IS NOT NULL
    GROUP BY enterprise_id
),

iana_zones AS (
    SELECT lower(name) AS key, min(name) AS name FROM pg_timezone_names() GROUP BY lower(name)
),

zones AS (
    SELECT * FROM iana_zones
    UNION ALL
    SELECT lower(windows.windows_name), iana_zones.name
    FROM internal.windows_zones AS windows
    INNER JOIN iana_zones ON iana_zones.key = lower(windows.time_zone)
    WHERE lower(windows.windows_name) NOT IN (SELECT key FROM iana_zones)
),

enterprises AS (
    SELECT
        coalesce(enterprises.id, progress.enterprise_id) AS enterprise_id,
        shown(enterprises.name) AS enterprise_name,
        enterprises.partition_key,
        coalesce(zones.name, 'UTC') AS time_zone,
        zones.name IS NOT NULL AS is_time_zone_known,
        enterprises.time_zone_identifier,
        shown(enterprises.chain_name) AS chain_name,
        shown(enterprises.country_code) AS country_code,
        shown(enterprises.city) AS city,
        enterprises.is_in_scope,
        shown(json_extract_string(enterprises.extra, '$.AccommodationEnvironmentCode')) AS accommodation_environment_code,
        CASE WHEN NOT progress.is_partly_unread THEN progress.read_until_utc END AS as_of_utc,
        progress.read_until_utc,
        progress.revisions,
        items.watermark_utc AS items_as_of_utc,
        items.revisions AS item_revisions
    FROM mews.enterprises AS enterprises
    FULL JOIN progress ON progress.enterprise_id = enterprises.id
    LEFT JOIN items ON items.enterprise_id = coalesce(enterprises.id, progress.enterprise_id)
    LEFT JOIN zones ON zones.key = lower(regexp_replace(enterprises.time_zone_identifier, '^[\s\pZ]+|[\s\pZ]+$', '', 'g'))
    WHERE enterprises.id IS NOT NULL OR progress.started_services > 0
)

SELECT
    enterprises.* EXCLUDE (read_until_utc, revisions, item_revisions),
    local_date(enterprises.as_of_utc, enterprises.time_zone, NULL) - 1 AS as_of_date,
    start_of_day(local_date(enterprises.read_until_utc, enterprises.time_zone, NULL), enterprises.time_zone)
        AS last_midnight_utc,
    local_date(enterprises.items_as_of_utc, enterprises.time_zone, NULL) AS items_date,
    start_of_day(items_date, enterprises.time_zone) AS items_midnight_utc,
    environments.code IS NOT NULL AS requires_all_companions,
    md5(
        concat_ws(
            ';',
            enterprises.time_zone,
            enterprises.is_time_zone_known,
            requires_all_companions,
            enterprises.revisions,
            enterprises.item_revisions
        )
    ) AS input_digest
FROM enterprises
LEFT JOIN internal.all_companions_environments AS environments
    ON environments.code = upper(trim(enterprises.accommodation_environment_code));
