-- The ids of forgotten accounts in the texts that are about to land. Source: arriving_texts, mews.forgotten_accounts.
-- Reason for two kinds of words: an id of the API is a UUID, which may stand within a longer word; any other is a word.
WITH words AS (
    SELECT DISTINCT
        unnest(
            regexp_extract_all(said, '[0-9a-z-]{8,}')
            || regexp_extract_all(said, '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}')
        ) AS word
    FROM arriving_texts
)

SELECT words.word
FROM words
CROSS JOIN mews.account_key AS account_key
SEMI JOIN mews.forgotten_accounts AS forgotten
    ON forgotten.account_hash
    = left(sha256(account_key.key || 'forgotten' || sha256(account_key.key || words.word)), 32);
