-- Brings mews.services up to date: one row of `found` for each service that the API listed. A service that is no longer
-- listed stays: its orders do. One that had been retired and is listed again is in use again.
MERGE INTO mews.services AS stored
USING found ON stored.id = found.id
WHEN MATCHED AND (
    stored.enterprise_id, stored.name, stored.kind, stored.is_active, stored.created_utc, stored.updated_utc,
    CAST(stored.extra AS VARCHAR), stored.unlisted_since_utc, stored.retired_utc
) IS DISTINCT FROM (
    found.enterprise_id, found.name, found.kind, found.is_active, found.created_utc, found.updated_utc, found.extra, NULL,
    NULL
) THEN UPDATE SET
    enterprise_id = found.enterprise_id,
    name = found.name,
    kind = found.kind,
    is_active = found.is_active,
    created_utc = found.created_utc,
    updated_utc = found.updated_utc,
    extra = found.extra,
    unlisted_since_utc = NULL,
    retired_utc = NULL
WHEN NOT MATCHED THEN INSERT BY NAME;
