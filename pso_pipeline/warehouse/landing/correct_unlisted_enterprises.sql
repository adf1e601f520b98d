-- Corrects mews.enterprises where listings lack a row since a time after $latest: they do since $now.
UPDATE mews.enterprises SET unlisted_since_utc = $now WHERE unlisted_since_utc > $latest;
