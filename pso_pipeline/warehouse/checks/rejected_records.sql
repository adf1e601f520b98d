-- One row for each reason why records of the operation $operation could not be read, the most frequent first, with the
-- hotel of one of them. An order that could be read later no longer counts.
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
        FROM mews.product_service_orders AS orders
        WHERE orders.id = json_extract_string(rejects.record, '$.Id') AND orders.fetched_utc > rejects.observed_utc
    )
GROUP BY rejects.reason
ORDER BY records DESC, rejects.reason;
