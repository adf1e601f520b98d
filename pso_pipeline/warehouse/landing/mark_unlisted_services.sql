-- Notes in mews.services which services of enterprises whose services have all been listed (`listed`) are not among them, neither
-- readable (`found`) nor not ($unreadable), since $now or since an earlier listing.
UPDATE mews.services AS stored
SET unlisted_since_utc = $now::TIMESTAMP
FROM listed
WHERE
    listed.enterprise_id = stored.enterprise_id
    AND listed.listed_utc IS NOT NULL
    AND stored.unlisted_since_utc IS NULL
    AND stored.id NOT IN (SELECT id FROM found)
    AND stored.id NOT IN (SELECT unnest($unreadable::VARCHAR[]));
