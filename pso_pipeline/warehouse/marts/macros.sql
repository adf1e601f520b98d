-- What several marts compute alike.
--   local_date    the date of a UTC moment in a time zone; utc_offset is that of utc_offsets, null where it is not known
--   utc_moment    the UTC moment of a local time; of two with the same local time the last, of none the one that follows
--   start_of_day  the UTC moment at which a local date begins. By the offset of the noon before, since where clocks go back
--                 over midnight there are two; where they change between that noon and midnight, by the day's own
--   age_in_days   whole days from creation to the hotel's last midnight: -1 before creation, 365 at most, where the curve ends
--   bounded       a stored time within what can be true: older versions of the package stored any, and one order of the year
--                 9999 must neither stop its hotel nor make the calendar 3 million days long
--   shown         a text from outside as names and groups show it, which bars and keys have room for
--   is_unresolved_by  whether an order is still Confirmed a day after its consumption, or where that is not known 60 days after
--                     its creation, at the hotel's last midnight
--   published_account_id  the account's id as the marts hold it: hashed with the key in mews.account_key, or as it is
CREATE OR REPLACE TEMP MACRO local_date(moment, time_zone, utc_offset) AS
    CAST(coalesce(moment + utc_offset, timezone(time_zone, timezone('UTC', moment))) AS DATE);

CREATE OR REPLACE TEMP MACRO utc_moment(local_time, time_zone) AS
    timezone('UTC', timezone(time_zone, CAST(local_time AS TIMESTAMP)));

CREATE OR REPLACE TEMP MACRO start_of_day(local_day, time_zone) AS
    CASE
        WHEN local_date(utc_moment(local_day - INTERVAL 12 HOUR, time_zone) + INTERVAL 12 HOUR, time_zone, NULL) = local_day
            THEN utc_moment(local_day - INTERVAL 12 HOUR, time_zone) + INTERVAL 12 HOUR
        ELSE utc_moment(local_day, time_zone)
    END;

CREATE OR REPLACE TEMP MACRO age_in_days(created_at, last_midnight_utc) AS
    CAST(
        CASE
            WHEN created_at <= last_midnight_utc THEN least(datesub('day', created_at, last_midnight_utc), 365)
            ELSE -1
        END AS INTEGER
    );

CREATE OR REPLACE TEMP MACRO is_unresolved_by(state_group, created_at, consumed_at, last_midnight_utc) AS
    coalesce(
        state_group = 'confirmed'
        AND coalesce(consumed_at + INTERVAL 1 DAY, created_at + INTERVAL 60 DAY) <= last_midnight_utc,
        FALSE
    );

CREATE OR REPLACE TEMP MACRO published_account_id(id) AS
    CASE
        WHEN (SELECT any_value(is_plain) FROM mews.account_key) THEN id
        ELSE left(
            sha256(
                (SELECT any_value(key) FROM mews.account_key)
                || sha256((SELECT any_value(key) FROM mews.account_key) || lower(id))
            ),
            32
        )
    END;

CREATE OR REPLACE TEMP MACRO bounded(moment) AS
    CASE WHEN moment IS NOT NULL THEN greatest(least(moment, TIMESTAMP '2100-01-01'), TIMESTAMP '1990-01-01') END;

CREATE OR REPLACE TEMP MACRO shown(name) AS left(name, 200);
