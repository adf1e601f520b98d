-- mews.forgotten_accounts: one row for each account that was forgotten, by its hash with mews.account_key.
-- Source: `pso forget`. Reason: the account is in the API's answers still, and must not come back with the next read; the id itself is
-- not kept for that.
CREATE TABLE IF NOT EXISTS mews.forgotten_accounts (account_hash VARCHAR, forgotten_utc TIMESTAMP);
