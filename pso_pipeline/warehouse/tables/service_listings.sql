-- mews.service_listings: one row for each enterprise in scope whose services have been listed.
-- listed_utc: when all of them were listed last; watermark_utc: up to when their changes were. Both by the server's clock.
-- Source: the listings themselves. Reason: a group of thousands of hotels has tens of pages of services, which rarely
-- change; a hotel that is new, came back into scope or is seen through another token has no row and is listed whole.
CREATE TABLE IF NOT EXISTS mews.service_listings (
    enterprise_id VARCHAR,
    token_fingerprint VARCHAR,
    listed_utc TIMESTAMP,
    watermark_utc TIMESTAMP
);
