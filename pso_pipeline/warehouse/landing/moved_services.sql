-- One row for each known service that is listed as another hotel's now.
SELECT DISTINCT stored.id
FROM mews.services AS stored
INNER JOIN found ON found.id = stored.id
WHERE found.enterprise_id IS DISTINCT FROM stored.enterprise_id;
