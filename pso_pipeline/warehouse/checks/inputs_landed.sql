-- check_inputs: one row for each hotel with a digest of what landed, and one with an empty id for orders without a hotel.
-- Source: enterprise_inputs (marts/enterprise_inputs.sql). $definition changes with the checks themselves.
CREATE OR REPLACE TEMP TABLE check_inputs AS
SELECT enterprise_id, md5(concat_ws(';', $definition, input_digest)) AS input_digest FROM enterprise_inputs
UNION ALL
SELECT '', md5(concat_ws(';', $definition, string_agg(input_digest, ',' ORDER BY enterprise_id))) FROM enterprise_inputs;
