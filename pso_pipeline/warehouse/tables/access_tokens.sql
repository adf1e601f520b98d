-- mews.access_tokens: one row for each access token that has listed its enterprises, with the time of its last listing by the
-- server's clock. token_fingerprint is a digest, not the token. Source: the listings themselves.
-- Reason: hotels of a token that another process uses on the same warehouse are left to that process.
CREATE TABLE IF NOT EXISTS mews.access_tokens (token_fingerprint VARCHAR, listed_utc TIMESTAMP);
