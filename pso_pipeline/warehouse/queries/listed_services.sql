-- One row for each service in use that listings have, of every kind. Source: mews.services.
SELECT enterprise_id, id
FROM mews.services
WHERE unlisted_since_utc IS NULL AND retired_utc IS NULL
ORDER BY enterprise_id, id;
