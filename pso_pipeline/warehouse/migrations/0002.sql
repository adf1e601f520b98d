-- Version 2 remembers when the services of each enterprise were listed, so that large groups are not listed whole each time.
-- Empty at first: every enterprise is listed whole once.
CREATE TABLE mews.service_listings (
    enterprise_id VARCHAR,
    token_fingerprint VARCHAR,
    listed_utc TIMESTAMP,
    watermark_utc TIMESTAMP
);
