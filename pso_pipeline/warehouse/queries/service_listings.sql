-- One row for each enterprise in scope: its token, how many services are known, and how far they have been listed through
-- that token. Source: mews.enterprises, mews.services, mews.service_listings.
SELECT
    enterprises.id,
    enterprises.token_fingerprint,
    count(services.id) AS services,
    max(listings.listed_utc) AS listed_utc,
    max(listings.watermark_utc) AS watermark_utc
FROM mews.enterprises
LEFT JOIN mews.services ON services.enterprise_id = enterprises.id
LEFT JOIN mews.service_listings AS listings
    ON listings.enterprise_id = enterprises.id AND listings.token_fingerprint = enterprises.token_fingerprint
WHERE enterprises.is_in_scope
GROUP BY enterprises.id, enterprises.token_fingerprint
ORDER BY enterprises.id;
