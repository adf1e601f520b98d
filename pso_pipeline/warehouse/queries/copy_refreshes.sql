-- Brings mart.ops_refreshes up to date. Source: changes, the rows that it has to have.
-- Reason for a temporary table: DuckLake cannot merge into a table from a query that reads other ones of it.
MERGE INTO mart.ops_refreshes AS stored
USING changes AS noted
    ON stored.refresh_id = noted.refresh_id
WHEN MATCHED AND (stored.ended_at IS DISTINCT FROM noted.ended_at OR stored.requests <> noted.requests) THEN UPDATE SET
    started_at = noted.started_at,
    ended_at = noted.ended_at,
    hotels_read = noted.hotels_read,
    hotels_failed = noted.hotels_failed,
    orders_created = noted.orders_created,
    orders_changed = noted.orders_changed,
    records_rejected = noted.records_rejected,
    requests = noted.requests,
    bytes_received = noted.bytes_received,
    seconds = noted.seconds,
    cpu_seconds = noted.cpu_seconds
WHEN NOT MATCHED THEN INSERT BY NAME;
