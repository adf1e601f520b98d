-- Corrects mews.access_tokens where a token was used after $latest: it was used by $now.
UPDATE mews.access_tokens SET listed_utc = $now WHERE listed_utc > $latest;
