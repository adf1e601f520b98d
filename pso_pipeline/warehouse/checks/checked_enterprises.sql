-- checked_enterprises: one row for each hotel that is counted now, and one with an empty id for orders without a hotel.
-- Source: check_inputs, internal.check_counts. Reason: the counts of a hotel whose orders have not changed are
-- still valid; the hotels $enterprise_ids are counted in any case.
CREATE OR REPLACE TEMP TABLE checked_enterprises AS
SELECT DISTINCT inputs.enterprise_id, inputs.input_digest
FROM check_inputs AS inputs
CROSS JOIN (SELECT unnest($check_names::VARCHAR[]) AS check_name) AS checks
LEFT JOIN internal.check_counts AS counts
    ON counts.enterprise_id = inputs.enterprise_id AND counts.check_name = checks.check_name
WHERE
    counts.input_digest IS DISTINCT FROM inputs.input_digest
    OR inputs.enterprise_id IN (SELECT unnest($enterprise_ids::VARCHAR[]));
