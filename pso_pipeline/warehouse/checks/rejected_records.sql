-- One row for each reason why records of the operation $operation could not be read, the most frequent first, with the
-- hotel of one of them. A record that could be read later no longer counts.
-- A template: {{table}} is the table of the endpoint's records, {{read_utc}} the time at which one was read.
SELECT
    rejects.reason,
    count(*) AS records,
    max(rejects.observed_utc) AS latest_utc,
    min(enterprises.partition_key) AS for_example
FROM mews.rejected_records AS rejects
LEFT JOIN mews.enterprises AS enterprises ON enterprises.id = rejects.enterprise_id
WHERE
    rejects.operation = $operation
    AND NOT EXISTS (
        SELECT 1
        FROM {{table}} AS records
        WHERE records.id = json_extract_string(rejects.record, '$.Id') AND {{read_utc}} > rejects.observed_utc
    )
GROUP BY rejects.reason
ORDER BY records DESC, rejects.reason;
