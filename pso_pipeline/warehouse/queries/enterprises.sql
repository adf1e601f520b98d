-- One row for each enterprise. Source: mews.enterprises.
SELECT id, partition_key, name, token_fingerprint, is_in_scope, default_language_code
FROM mews.enterprises
ORDER BY partition_key;
