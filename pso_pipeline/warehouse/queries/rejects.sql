-- One row for each operation of the API with rejected records: how many different ones, and when the last new one was seen.
-- Source: mews.rejected_records.
SELECT operation, count(DISTINCT record) AS records, max(observed_utc) AS latest_utc
FROM mews.rejected_records
GROUP BY operation
ORDER BY operation;
