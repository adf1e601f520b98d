-- checked_records: one row for each record of the hotels that are counted now, and for those without a hotel, whose
-- enterprise_id is empty. A template: {{table}} is the table of the endpoint's records. Source: checked_enterprises.
-- Reason: DuckDB skips the rows of other hotels only if the join is on the bare column.
CREATE OR REPLACE TEMP VIEW checked_records AS
SELECT records.*
FROM {{table}} AS records
SEMI JOIN checked_enterprises ON checked_enterprises.enterprise_id = records.enterprise_id
UNION ALL
SELECT * REPLACE ('' AS enterprise_id)
FROM {{table}}
WHERE enterprise_id IS NULL;
