-- Notes in mews.enterprises that listings lack the hotels $ids, which stay in scope, since $now or since an earlier listing.
UPDATE mews.enterprises
SET unlisted_since_utc = coalesce(unlisted_since_utc, $now::TIMESTAMP)
WHERE id IN (SELECT unnest($ids::VARCHAR[])) AND unlisted_since_utc IS NULL;
