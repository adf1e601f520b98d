-- Inserts into internal.check_counts the counts of the check $check_name in the hotels that are counted now. A hotel
-- without a row in counted has no orders that the check is about.
INSERT INTO internal.check_counts BY NAME
SELECT
    $check_name AS check_name,
    enterprises.enterprise_id,
    coalesce(counted.checked, 0) AS checked,
    coalesce(counted.violations, 0) AS violations,
    CASE WHEN counted.violations > 0 THEN counted.detail END AS detail,
    enterprises.input_digest
FROM checked_enterprises AS enterprises
LEFT JOIN counted ON counted.enterprise_id = enterprises.enterprise_id;
