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
