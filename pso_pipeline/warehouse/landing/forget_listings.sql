-- Forgets how far the services of enterprises out of scope were listed: what happens meanwhile is not told.
DELETE FROM mews.service_listings
WHERE enterprise_id IN (SELECT id FROM mews.enterprises WHERE NOT is_in_scope);
