-- mews.account_key: one row, the random key of the hashes of account ids, and whether the marts hold account ids as they
-- are (is_plain) or hashed. Source: made when the marts are first computed. Reason: the same account has the same hash in every
-- refresh, so that its orders can be counted together, and nobody without this key knows which account it is. Never published.
CREATE TABLE IF NOT EXISTS mews.account_key (key VARCHAR, is_plain BOOLEAN);
