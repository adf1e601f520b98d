-- Notes that the account $id is to be kept out, by a hash that nobody can make without mews.account_key.
INSERT INTO mews.forgotten_accounts
SELECT left(sha256(key || 'forgotten' || sha256(key || lower($id))), 32), timezone('UTC', now())
FROM mews.account_key
WHERE left(sha256(key || 'forgotten' || sha256(key || lower($id))), 32) NOT IN (SELECT account_hash FROM mews.forgotten_accounts);
