-- Writes to mews.access_tokens that the tokens $tokens listed their enterprises at $now.
MERGE INTO mews.access_tokens AS stored
USING (SELECT unnest($tokens::VARCHAR[]) AS token_fingerprint, $now::TIMESTAMP AS listed_utc) AS used
    ON stored.token_fingerprint = used.token_fingerprint
WHEN MATCHED THEN UPDATE SET listed_utc = used.listed_utc
WHEN NOT MATCHED THEN INSERT BY NAME;
