-- Notes in mews.services that services are not listed, and retires those with a time for it: one row of `progress` for each.
UPDATE mews.services AS stored
SET
    unlisted_since_utc = coalesce(stored.unlisted_since_utc, gone.unlisted_utc),
    retired_utc = gone.retired_utc
FROM progress AS gone
WHERE gone.service_id = stored.id;
