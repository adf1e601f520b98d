-- Brings mews.enterprises up to date: one row of `found` for each hotel that a token listed.
-- The partition key of the first sight stays, whatever the hotel is called later.
MERGE INTO mews.enterprises AS stored
USING found ON stored.id = found.id
WHEN MATCHED AND (
    stored.name, stored.time_zone_identifier, stored.chain_id, stored.chain_name, stored.country_code, stored.city,
    stored.created_utc, stored.updated_utc, stored.linked_utc, stored.is_in_scope, stored.token_fingerprint,
    CAST(stored.extra AS VARCHAR), stored.unlisted_since_utc
) IS DISTINCT FROM (
    found.name, found.time_zone_identifier, found.chain_id, found.chain_name, found.country_code, found.city,
    found.created_utc, found.updated_utc, found.linked_utc, found.is_in_scope, found.token_fingerprint, found.extra, NULL
) THEN UPDATE SET
    name = found.name,
    time_zone_identifier = found.time_zone_identifier,
    chain_id = found.chain_id,
    chain_name = found.chain_name,
    country_code = found.country_code,
    city = found.city,
    created_utc = found.created_utc,
    updated_utc = found.updated_utc,
    linked_utc = found.linked_utc,
    is_in_scope = found.is_in_scope,
    token_fingerprint = found.token_fingerprint,
    extra = found.extra,
    unlisted_since_utc = NULL
WHEN NOT MATCHED THEN INSERT BY NAME;
