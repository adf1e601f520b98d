-- check_inputs: one row for each hotel with a digest of what its figures were made from.
-- Source: internal.computed_enterprises. $definition changes with the checks themselves.
CREATE OR REPLACE TEMP TABLE check_inputs AS
SELECT enterprise_id, md5(concat_ws(';', $definition, input_digest)) AS input_digest
FROM internal.computed_enterprises;
