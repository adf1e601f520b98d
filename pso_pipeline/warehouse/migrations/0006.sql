-- Version 6 keeps what each refresh read and what it cost, and which fields and values the API sent. Refreshes before it are not
-- known; fields and values are found in the records that are there.
CREATE TABLE mews.refreshes (
    refresh_id VARCHAR,
    requested_by VARCHAR,
    started_utc TIMESTAMP,
    ended_utc TIMESTAMP,
    hotels_read BIGINT,
    hotels_failed BIGINT,
    orders_created BIGINT,
    orders_changed BIGINT,
    records_rejected BIGINT,
    requests BIGINT,
    bytes_received BIGINT,
    seconds DOUBLE,
    cpu_seconds DOUBLE
);

CREATE TABLE mews.seen_schema (
    operation VARCHAR,
    field VARCHAR,
    value VARCHAR,
    first_seen_utc TIMESTAMP,
    last_seen_utc TIMESTAMP,
    days_seen BIGINT,
    first_day BIGINT,
    last_day BIGINT
);
