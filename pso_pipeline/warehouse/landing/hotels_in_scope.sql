-- One row for each hotel in scope: its partition key, the token that saw it last, and since when listings lack it.
SELECT id, partition_key, token_fingerprint, unlisted_since_utc
FROM mews.enterprises
WHERE is_in_scope
ORDER BY token_fingerprint, partition_key;
