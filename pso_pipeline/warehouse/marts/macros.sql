-- What several marts compute alike.
--   local_date   the date of a UTC moment in a time zone; utc_offset is that of utc_offsets, null where it is not known
--   age_in_days  whole days from creation to as_of_utc: -1 before creation, 365 at most, where the curve ends
CREATE OR REPLACE TEMP MACRO local_date(moment, time_zone, utc_offset) AS
    CAST(coalesce(moment + utc_offset, timezone(time_zone, timezone('UTC', moment))) AS DATE);

CREATE OR REPLACE TEMP MACRO age_in_days(created_at, as_of_utc) AS
    CAST(CASE WHEN created_at > as_of_utc THEN -1 ELSE least(datesub('day', created_at, as_of_utc), 365) END AS INTEGER);
