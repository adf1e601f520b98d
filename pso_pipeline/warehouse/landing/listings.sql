-- listings: hotels and services as the access tokens list them, and what listings lack. Reads the relation `found`, one row for each
-- record that was listed. {{table}}, {{fields}} and the like come from the endpoint.

-- name: merge
-- Brings the table up to date. What is no longer listed stays: its orders do. What had been missing or retired is in use again.
-- Columns of the pipeline's own that `found` has not keep their values: the partition key of the first sight stays.
MERGE INTO {{table}} AS stored
USING found ON stored.id = found.id
WHEN MATCHED AND ({{stored_fields}}) IS DISTINCT FROM ({{found_fields}}) THEN UPDATE SET {{assignments}}
WHEN NOT MATCHED THEN INSERT BY NAME;

-- name: keep_unreadable_enterprises
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

-- name: hotels_in_scope
-- One row for each hotel in scope: its partition key, the token that saw it last, and since when listings lack it.
SELECT id, partition_key, token_fingerprint, unlisted_since_utc
FROM mews.enterprises
WHERE is_in_scope
ORDER BY token_fingerprint, partition_key;

-- name: mark_out_of_scope
-- Marks the hotels $ids as out of scope: the caller has checked that no token sees them any more.
UPDATE mews.enterprises SET is_in_scope = false, unlisted_since_utc = NULL WHERE id IN (SELECT unnest($ids::VARCHAR[]));

-- name: mark_unlisted_enterprises
-- Notes that listings lack the hotels $ids, which stay in scope, since $now or since an earlier listing.
UPDATE mews.enterprises SET unlisted_since_utc = $now::TIMESTAMP
WHERE id IN (SELECT unnest($ids::VARCHAR[])) AND unlisted_since_utc IS NULL;

-- name: record_tokens
-- Notes that the tokens $tokens listed their enterprises at $now.
MERGE INTO mews.access_tokens AS stored
USING (SELECT unnest($tokens::VARCHAR[]) AS token_fingerprint, $now::TIMESTAMP AS listed_utc) AS used
    ON stored.token_fingerprint = used.token_fingerprint
WHEN MATCHED THEN UPDATE SET listed_utc = used.listed_utc
WHEN NOT MATCHED THEN INSERT BY NAME;

-- name: forget_listings
-- Forgets how far the services of enterprises out of scope were listed: changes in the meantime are in no listing.
DELETE FROM mews.service_listings WHERE enterprise_id IN (SELECT id FROM mews.enterprises WHERE NOT is_in_scope);

-- name: moved_services
-- One row for each known service that is listed as another hotel's now.
SELECT DISTINCT stored.id
FROM mews.services AS stored
INNER JOIN found ON found.id = stored.id
WHERE found.enterprise_id IS DISTINCT FROM stored.enterprise_id;

-- name: count_returned_services
-- One row: how many of the services that are listed now had been retired.
SELECT count(*) FROM mews.services SEMI JOIN found ON found.id = services.id WHERE services.retired_utc IS NOT NULL;

-- name: keep_unreadable_services
-- Keeps known services in use that were listed, with the ids $ids, and whose records could not be read.
UPDATE mews.services SET unlisted_since_utc = NULL, retired_utc = NULL
WHERE
    id IN (SELECT unnest($ids::VARCHAR[]))
    AND (unlisted_since_utc IS NOT NULL OR retired_utc IS NOT NULL);

-- name: record_listings
-- Notes how far the services of enterprises have been listed: one row of `listed` for each. A null listed_utc leaves the one
-- before: only changes were listed.
MERGE INTO mews.service_listings AS stored
USING listed ON stored.enterprise_id = listed.enterprise_id
WHEN MATCHED THEN UPDATE SET
    token_fingerprint = listed.token_fingerprint,
    listed_utc = coalesce(listed.listed_utc, stored.listed_utc),
    watermark_utc = listed.watermark_utc
WHEN NOT MATCHED THEN INSERT BY NAME;

-- name: mark_unlisted_services
-- Notes which services of enterprises whose services have all been listed (`listed`) are not among them, neither readable (`found`)
-- nor not ($unreadable), since $now or since an earlier listing.
UPDATE mews.services AS stored
SET unlisted_since_utc = $now::TIMESTAMP
FROM listed
WHERE
    listed.enterprise_id = stored.enterprise_id
    AND listed.listed_utc IS NOT NULL
    AND stored.unlisted_since_utc IS NULL
    AND stored.id NOT IN (SELECT id FROM found)
    AND stored.id NOT IN (SELECT unnest($unreadable::VARCHAR[]));

-- name: count_unlisted_services
-- One row for each hotel in scope with services in use: its token, how many these are, and how many of them whole listings lack,
-- for the first time after $since.
SELECT
    enterprises.token_fingerprint,
    enterprises.partition_key,
    count(*) AS known,
    count(*) FILTER (WHERE services.unlisted_since_utc > $since) AS lost
FROM mews.services
INNER JOIN mews.enterprises ON enterprises.id = services.enterprise_id
WHERE services.retired_utc IS NULL AND enterprises.is_in_scope AND enterprises.token_fingerprint IS NOT NULL
GROUP BY enterprises.token_fingerprint, enterprises.partition_key
ORDER BY enterprises.token_fingerprint, enterprises.partition_key;

-- name: retire
-- Notes that services are not listed, and retires those with a time for it: one row of `progress` for each.
UPDATE mews.services AS stored
SET
    unlisted_since_utc = coalesce(stored.unlisted_since_utc, gone.unlisted_utc),
    retired_utc = gone.retired_utc
FROM progress AS gone
WHERE gone.scope_id = stored.id;

-- name: correct_listings
-- Forgets listings later than $latest.
DELETE FROM mews.service_listings WHERE listed_utc > $latest OR watermark_utc > $latest;

-- name: correct_tokens
-- Corrects tokens that were used after $latest: they were used by $now.
UPDATE mews.access_tokens SET listed_utc = $now WHERE listed_utc > $latest;

-- name: correct_unlisted_enterprises
UPDATE mews.enterprises SET unlisted_since_utc = $now WHERE unlisted_since_utc > $latest;

-- name: correct_unlisted_services
UPDATE mews.services SET unlisted_since_utc = $now WHERE unlisted_since_utc > $latest;
