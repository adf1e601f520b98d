-- Marks the hotels $ids of mews.enterprises as out of scope: the caller has seen that no token sees them any more.
UPDATE mews.enterprises
SET is_in_scope = false, unlisted_since_utc = NULL
WHERE id IN (SELECT unnest($ids::VARCHAR[]));
