-- Keeps known services in use that were listed, with the ids $ids, and whose records could not be read.
UPDATE mews.services
SET unlisted_since_utc = NULL, retired_utc = NULL
WHERE
    id IN (SELECT unnest($ids::VARCHAR[]))
    AND (unlisted_since_utc IS NOT NULL OR retired_utc IS NOT NULL);
