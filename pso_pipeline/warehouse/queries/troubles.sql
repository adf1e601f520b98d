-- One row for each of $endpoints and each enterprise in scope of which a scope could not be read last time, with the reason.
-- Source: mews.sync_state, mews.enterprises.
SELECT progress.endpoint, enterprises.partition_key, min(progress.last_error) AS last_error
FROM mews.sync_state AS progress
INNER JOIN mews.enterprises ON enterprises.id = progress.enterprise_id
WHERE list_contains($endpoints, progress.endpoint) AND progress.last_error IS NOT NULL AND enterprises.is_in_scope
GROUP BY progress.endpoint, enterprises.partition_key
ORDER BY progress.endpoint, enterprises.partition_key;
