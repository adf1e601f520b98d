-- utc_offsets: one row for each time zone and UTC day on which anything happened in the batch.
-- Source: landed_orders, landed_items, state_changes, affected_enterprises. Reason: on all but two days a year the whole day has one offset,
-- and adding it costs much less than converting each time by its zone. The offsets at the day's two ends are compared, since
-- no zone of the IANA database has ever changed its clocks twice within 24 hours.
--   utc_offset  what to add to a UTC time of that day; null on a day on which the clocks change
CREATE OR REPLACE TEMP TABLE utc_offsets AS
WITH days AS (
    SELECT zone, CAST(created_at AS DATE) AS utc_date FROM landed_orders
    UNION
    SELECT zone, CAST(updated_at AS DATE) FROM landed_orders
    UNION
    SELECT zone, CAST(canceled_at AS DATE) FROM landed_orders WHERE canceled_at IS NOT NULL
    UNION
    SELECT zone, CAST(observed_at AS DATE) FROM landed_orders WHERE observed_at IS NOT NULL
    UNION
    SELECT zone, CAST(changed_at AS DATE) FROM state_changes
    UNION
    SELECT zone, CAST(observed_at AS DATE) FROM state_changes WHERE observed_at IS NOT NULL
    UNION
    SELECT zone, CAST(created_at AS DATE) FROM landed_items
    UNION
    SELECT zone, CAST(consumed_at AS DATE) FROM landed_items
    UNION
    SELECT zone, CAST(canceled_at AS DATE) FROM landed_items WHERE canceled_at IS NOT NULL
),

offsets AS (
    SELECT
        days.zone,
        zones.time_zone,
        days.utc_date,
        CAST(days.utc_date AS TIMESTAMP) AS first_moment,
        CAST(days.utc_date AS TIMESTAMP) + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND AS last_moment,
        timezone(zones.time_zone, timezone('UTC', first_moment)) - first_moment AS first_offset,
        timezone(zones.time_zone, timezone('UTC', last_moment)) - last_moment AS last_offset
    FROM days
    INNER JOIN (SELECT DISTINCT zone, time_zone FROM affected_enterprises) AS zones ON zones.zone = days.zone
)

SELECT zone, time_zone, utc_date, CASE WHEN first_offset = last_offset THEN first_offset END AS utc_offset
FROM offsets;
