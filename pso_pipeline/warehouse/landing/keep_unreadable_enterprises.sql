-- Keeps known hotels in scope whose records, with the ids $ids, were listed by the tokens $tokens and could not be read.
UPDATE mews.enterprises AS stored
SET is_in_scope = true, token_fingerprint = listed.token_fingerprint, unlisted_since_utc = NULL
FROM (SELECT unnest($ids::VARCHAR[]) AS id, unnest($tokens::VARCHAR[]) AS token_fingerprint) AS listed
WHERE
    stored.id = listed.id
    AND (
        NOT stored.is_in_scope
        OR stored.unlisted_since_utc IS NOT NULL
        OR stored.token_fingerprint IS DISTINCT FROM listed.token_fingerprint
    );
