-- Adds the figures of a run to the row of its refresh in mews.refreshes. Several runs of one refresh add up; the last one ends it.
MERGE INTO mews.refreshes AS stored
USING (
    SELECT
        $refresh_id AS refresh_id,
        $requested_by AS requested_by,
        $started_utc::TIMESTAMP AS started_utc,
        $ended_utc::TIMESTAMP AS ended_utc,
        $hotels_read::BIGINT AS hotels_read,
        $hotels_failed::BIGINT AS hotels_failed,
        $orders_created::BIGINT AS orders_created,
        $orders_changed::BIGINT AS orders_changed,
        $records_rejected::BIGINT AS records_rejected,
        $requests::BIGINT AS requests,
        $bytes_received::BIGINT AS bytes_received,
        datediff('millisecond', $started_utc::TIMESTAMP, $ended_utc::TIMESTAMP) / 1000 AS seconds,
        $cpu_seconds::DOUBLE AS cpu_seconds
) AS noted
    ON stored.refresh_id = noted.refresh_id
WHEN MATCHED THEN UPDATE SET
    started_utc = least(stored.started_utc, noted.started_utc),
    ended_utc = coalesce(noted.ended_utc, stored.ended_utc),
    hotels_read = stored.hotels_read + noted.hotels_read,
    hotels_failed = stored.hotels_failed + noted.hotels_failed,
    orders_created = stored.orders_created + noted.orders_created,
    orders_changed = stored.orders_changed + noted.orders_changed,
    records_rejected = stored.records_rejected + noted.records_rejected,
    requests = stored.requests + noted.requests,
    bytes_received = stored.bytes_received + noted.bytes_received,
    seconds = datediff(
        'millisecond', least(stored.started_utc, noted.started_utc), coalesce(noted.ended_utc, stored.ended_utc)
    ) / 1000,
    cpu_seconds = stored.cpu_seconds + noted.cpu_seconds
WHEN NOT MATCHED THEN INSERT BY NAME;
