-- One row for each hotel with violations of each of the checks $check_names, the worst first.
-- Source: internal.check_counts, mews.enterprises.
SELECT
    counts.check_name,
    counts.enterprise_id,
    coalesce(enterprises.partition_key, nullif(counts.enterprise_id, ''), 'no hotel') AS partition_key,
    counts.checked,
    counts.violations,
    counts.detail
FROM internal.check_counts AS counts
LEFT JOIN mews.enterprises AS enterprises ON enterprises.id = counts.enterprise_id
WHERE counts.check_name IN (SELECT unnest($check_names::VARCHAR[])) AND counts.violations > 0
ORDER BY counts.violations DESC, counts.enterprise_id;
