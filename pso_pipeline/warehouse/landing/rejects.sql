-- rejects: records that could not be read, in mews.rejected_records. Reads the relation `rejects`.

-- name: keep
-- Adds each record once for each reason, however often it is read; its count is that of those not kept before.
INSERT INTO mews.rejected_records BY NAME
SELECT DISTINCT ON (operation, record, reason) *
FROM rejects
WHERE NOT EXISTS (
    SELECT 1
    FROM mews.rejected_records AS kept
    WHERE kept.operation = rejects.operation AND kept.record = rejects.record AND kept.reason = rejects.reason
);
